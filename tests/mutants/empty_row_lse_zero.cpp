// Fault: a row that sees no key has lse 0.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float lse(float row_max, float row_sum) { return row_sum == 0 ? 0 : row_max + std::log(row_sum); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(empty_row_lse_zero, "a row that sees no key has lse 0")
