// Fault: weights are summed after they were multiplied by the scales of the values.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Int8Cache {
  static float in_sum(float weight, float v_scale) { return weight * v_scale; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(int8_v_scale_in_sum, "scales of values are folded into the sum of weights")
