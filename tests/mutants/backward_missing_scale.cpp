// Fault: dk lacks softmax_scale.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static float scale_of_dk(const Args&) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_missing_scale, "dk lacks softmax_scale")
