// Fault: o is added to what it held.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static void clear(float*, std::int64_t) {}
  static float correction(float old_max, float new_max) {
    return old_max == -kInfinity ? 1 : std::exp(old_max - new_max);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(accumulates_into_output, "o is added to what it held")
