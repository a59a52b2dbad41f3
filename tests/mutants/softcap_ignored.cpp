// Fault: scores are not capped.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float score(const Problem&, float x) { return x; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(softcap_ignored, "scores are not capped")
