// Fault: no maximum is subtracted.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float running_max(float, float) { return 0; }
  static float correction(float, float) { return 1; }
  static float lse(float row_max, float row_sum) { return row_sum == 0 ? -kInfinity : row_max + std::log(row_sum); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(large_scores_overflow, "no maximum is subtracted")
