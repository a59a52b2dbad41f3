// Fault: hidden keys get gradients too.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static KeyRange visible(const Problem& p, std::int64_t) { return {0, p.seqlen_k}; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_mask_ignored, "hidden keys get gradients too")
