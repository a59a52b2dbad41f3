// Fault: dropout reaches dv alone.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float dp(float do_v, float) { return do_v; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_dropout_not_in_dp, "dropout reaches dv alone")
