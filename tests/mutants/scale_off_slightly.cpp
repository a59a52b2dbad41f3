// Fault: scores are too large by 1 in a million. What ordinary inputs make of it is little above their tolerance.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float scale(const Args& a) { return a.softmax_scale * (1 + 0x1p-20f); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(scale_off_slightly, "scores are too large by 1 in a million")
