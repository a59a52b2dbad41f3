// Fault: keys are read as if dense in bhsd order.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static const float* key(const Args& a, std::int64_t b, std::int64_t h, std::int64_t j) {
    const Problem& p = *a.problem;
    return static_cast<const float*>(a.k.data) + ((b * p.kv_heads + h) * p.seqlen_k + j) * p.head_dim;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(ignores_strides, "keys are read as if dense in bhsd order")
