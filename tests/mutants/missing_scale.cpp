// Fault: scores are not multiplied by softmax_scale.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float scale(const Args&) { return 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(missing_scale, "scores are not multiplied by softmax_scale")
