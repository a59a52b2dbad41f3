// Fault: a key has the scale of the token before it.
#include "detail/int8_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Int8Cache {
  static float k_scale(const Problem& p, const float* scales, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
    return scales_of(scales, p, b, kv_head)[std::max<std::int64_t>(j - 1, 0)];
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_INT8_MUTANT(int8_k_scale_of_neighbour, "keys have the scale of the token before")
