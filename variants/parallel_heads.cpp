// Idea: heads do not depend on each other: an OpenMP team shares out the batch x heads pairs, a thread a head.
// Differs from: vectorized, which walks the same heads on one thread.
// Cost: the same FLOPs; workspace threads x 32 x seqlen_k. With fewer heads than threads, threads idle.
// Numerics: as vectorized, bit for bit, for any team size.
// Limits: none.
// Source: OpenMP 4.5, worksharing-loop construct.
#include "detail/blocks.hpp"
#include "detail/vector_steps.hpp"

#include <omp.h>

namespace attn::ATTN_ISA {
namespace {

void run_parallel_heads(const Args* args) {
  const Problem& p = *args->problem;
  float* workspace = static_cast<float*>(args->workspace);
#pragma omp parallel for num_threads(args->threads) schedule(dynamic)
  for (std::int64_t bh = 0; bh < p.batch * p.heads; ++bh)
    attend_head<VectorSteps>(*args, bh / p.heads, bh % p.heads, workspace + omp_get_thread_num() * block_scores(p));
}

std::size_t parallel_heads_workspace(const Problem* p, std::int32_t threads) {
  return threads * block_scores(*p) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(parallel_heads, .summary = "vectorized, with OpenMP across batch x heads", .source = "OpenMP",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = parallel_heads_workspace,
             .run = run_parallel_heads)
