// Fault: hidden pairs are multiplied by 0 instead of being left out, which spreads NaN.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static constexpr bool kMultipliesHidden = true;
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_hidden_nan_leaks,
                     "hidden pairs are multiplied by 0 instead of being left out, which spreads NaN")
