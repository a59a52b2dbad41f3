// Fault: lse leaves out the maximum that was subtracted.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float lse(float row_max, float row_sum) { return row_sum == 0 ? row_max : std::log(row_sum); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(lse_without_max, "lse leaves out the maximum that was subtracted")
