// Fault: weights are recomputed from scores without their cap.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float score(const Problem&, float x) { return x; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_softcap_ignored, "weights are recomputed from scores without their cap")
