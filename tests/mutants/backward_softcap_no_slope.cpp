// Fault: the gradient lacks the slope of the cap.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float slope(const Problem&, float) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_softcap_no_slope, "the gradient lacks the slope of the cap")
