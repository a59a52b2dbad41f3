// Fault: the slope is that of a cap of 1.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float slope(const Problem& p, float score) { return p.softcap == 0 ? 1 : 1 - score * score; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_softcap_slope_of_one, "the slope is that of a cap of 1")
