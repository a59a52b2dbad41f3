// Fault: gradients are added to what the outputs held.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static constexpr bool kClear = false;
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_accumulates, "gradients are added to what the outputs held")
