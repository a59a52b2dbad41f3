// Fault: kept weights are not multiplied by 1 / (1 - p).
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float factor(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    return Correct::factor(a, b, h, i, j) > 0 ? 1.0f : 0.0f;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropout_not_scaled, "kept weights are not multiplied by 1 / (1 - p)")
