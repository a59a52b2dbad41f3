// Fault: heads are written in reverse order.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float* output(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i) {
    return row_of<float>(a.o, b, a.problem->heads - 1 - h, i);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(swapped_heads, "heads are written in reverse order")
