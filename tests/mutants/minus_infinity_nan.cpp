// Fault: a row of scores of -inf subtracts -inf from -inf.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float shift(float row_max) { return row_max; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(minus_infinity_nan, "a row of scores of -inf subtracts -inf from -inf")
