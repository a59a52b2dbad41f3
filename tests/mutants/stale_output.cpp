// Fault: the last row is not written.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static std::int64_t tasks(const Problem& p, int) { return p.batch * p.heads * p.seqlen_q - 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(stale_output, "the last row is not written")
