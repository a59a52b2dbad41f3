// Fault: dv is of the weights before dropout.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float weight_of_dv(float prob, float) { return prob; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_dropout_not_in_dv, "dv is of the weights before dropout")
