// Fault: every window ends at the query itself.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visible(const Problem& p, std::int64_t i) {
    Problem causal = p;
    if (p.window_right > 0) causal.window_right = 0;
    return visible_keys(causal, i);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(window_right_as_causal, "every window ends at the query itself")
