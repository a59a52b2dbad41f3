// Fault: a pair whose score is -inf is multiplied by an infinite factor of it.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static constexpr bool kLeavesOut = false;
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_minus_infinity_nan,
                     "a pair whose score is -inf is multiplied by an infinite factor of it")
