// Fault: lse is of the sum of rounded weights.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  static float sum_for_lse(float, float rounded) { return rounded; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_lse_of_rounded, "takes lse from rounded weights")
