// Fault: a row that sees no key divides 0 by 0.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float inverse_sum(float row_sum) { return 1 / row_sum; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(empty_row_nan, "a row that sees no key divides 0 by 0")
