// Fault: features behind the last whole vector of 4 become NaN.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static void after_row(float* o, const Problem& p) {
    for (std::int64_t d = p.value_dim / 4 * 4; d < p.value_dim; ++d) o[d] = std::numeric_limits<float>::quiet_NaN();
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(nan_tail, "features behind the last whole vector of 4 become NaN")
