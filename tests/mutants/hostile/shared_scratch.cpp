// Fault: all threads of a team keep their scores in one place.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  const Problem& p = *args->problem;
#pragma omp parallel for num_threads(args->threads) schedule(static)
  for (std::int64_t task = 0; task < p.batch * p.heads * p.seqlen_q; ++task) {
    const std::int64_t bh = task / p.seqlen_q;
    attend_row<Correct>(*args, bh / p.heads, bh % p.heads, task % p.seqlen_q, static_cast<float*>(args->workspace));
  }
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(shared_scratch, .summary = "all threads share one scratch", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_badly)
