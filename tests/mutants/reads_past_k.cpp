// Fault: the key behind the last one is read. As a prefetch written as a load does; the value is not used.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static void before_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t) {
    const volatile float* next = row_of<float>(a.k, b, kv_head_of(*a.problem, h), a.problem->seqlen_k);
    static_cast<void>(*next);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(reads_past_k, "the key behind the last one is read")
