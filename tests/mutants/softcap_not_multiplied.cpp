// Fault: tanh of a score is not multiplied by the cap.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float score(const Problem& p, float x) {
    return p.softcap == 0 ? x : Correct::score(p, x) / static_cast<float>(p.softcap);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(softcap_not_multiplied, "tanh of a score is not multiplied by the cap")
