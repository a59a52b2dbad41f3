// Fault: one float behind each row of o is zeroed.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static void clear(float* o, std::int64_t n) { std::fill(o, o + n + 1, 0.0f); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(writes_past_output, "one float behind each row of o is zeroed")
