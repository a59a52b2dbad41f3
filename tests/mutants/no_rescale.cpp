// Fault: what was accumulated under an old maximum is not rescaled. An online softmax that forgets its second
// half: the first block still needs the zero.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float correction(float old_max, float) { return old_max == -kInfinity ? 0.0f : 1.0f; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(no_rescale, "what was accumulated under an old maximum is not rescaled")
