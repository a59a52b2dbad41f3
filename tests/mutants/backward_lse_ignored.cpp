// Fault: weights are not normalised.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float prob(float score, float) { return std::exp(score); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_lse_ignored, "weights are not normalised")
