// Fault: scores are kept in 16 bits before they are scaled, where f16 overflows.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  template <class E>
  static float score(const Problem&, float dot, float scale) {
    return to_float(round_to<E>(dot)) * scale;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_scores_unscaled, "keeps unscaled scores in 16 bits")
