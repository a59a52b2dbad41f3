// Fault: only the first query head of a group gives gradients.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static std::int64_t heads_of_group(const Problem&) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_first_of_group, "only the first query head of a group gives gradients")
