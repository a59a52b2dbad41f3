// Fault: scores are cut off at the cap, not bent.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float score(const Problem& p, float x) {
    const auto cap = static_cast<float>(p.softcap);
    return cap == 0 ? x : std::clamp(x, -cap, cap);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(softcap_clamped, "scores are cut off at the cap, not bent")
