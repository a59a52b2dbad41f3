// Fault: the scale is folded into q in place.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static void before_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i) {
    float* q = const_cast<float*>(row_of<float>(a.q, b, h, i));
    for (std::int64_t d = 0; d < a.problem->head_dim; ++d) q[d] *= a.softmax_scale;
  }
  static float scale(const Args&) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(writes_input, "the scale is folded into q in place")
