// Fault: dq is scaled twice.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float scale_of_dq(const Args& a) { return a.softmax_scale * a.softmax_scale; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_scale_of_dq, "dq is scaled twice")
