// Fault: all batch entries drop the same weights.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float factor(const Args& a, std::int64_t, std::int64_t h, std::int64_t i, std::int64_t j) {
    return Correct::factor(a, 0, h, i, j);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropout_same_in_batches, "all batch entries drop the same weights")
