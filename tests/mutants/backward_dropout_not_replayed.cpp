// Fault: the weights that the forward pass dropped are kept.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float factor(const Args&, std::int64_t, std::int64_t, std::int64_t, std::int64_t) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_dropout_not_replayed, "the weights that the forward pass dropped are kept")
