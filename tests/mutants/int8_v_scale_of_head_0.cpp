// Fault: values have the scales of the first kv head.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Int8Cache {
  static float v_scale(const Problem& p, const float* scales, std::int64_t b, std::int64_t, std::int64_t j) {
    return scales_of(scales, p, b, 0)[j];
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(int8_v_scale_of_head_0, "values have the scales of kv head 0")
