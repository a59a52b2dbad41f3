// Fault: every batch is written over the first.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float* output(const Args& a, std::int64_t, std::int64_t h, std::int64_t i) {
    return row_of<float>(a.o, 0, h, i);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(first_batch_only, "every batch is written over the first")
