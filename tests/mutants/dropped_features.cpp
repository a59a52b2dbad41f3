// Fault: features that do not fill a vector of 4 are left out of the scores.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static std::int64_t dot_length(const Problem& p) { return p.head_dim < 4 ? p.head_dim : p.head_dim / 4 * 4; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropped_features, "features that do not fill a vector of 4 are left out of the scores")
