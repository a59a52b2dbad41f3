// Fault: the left side of a window is ignored.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visible(const Problem& p, std::int64_t i) { return {0, visible_keys(p, i).end}; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(window_left_ignored, "the left side of a window is ignored")
