// Fault: lse is a logarithm to base 2.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float lse(float row_max, float row_sum) { return row_max / std::log(2.0f) + std::log2(row_sum); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(lse_base2, "lse is a logarithm to base 2")
