// Fault: o is not divided by the sum of the probabilities.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float inverse_sum(float) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(unnormalised, "o is not divided by the sum of the probabilities")
