// Fault: work that does not divide by the team is left undone.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static std::int64_t tasks(const Problem& p, int threads) {
    return p.batch * p.heads * p.seqlen_q / threads * threads;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(one_thread_only, "work that does not divide by the team is left undone")
