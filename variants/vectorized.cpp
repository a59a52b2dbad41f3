// Idea: the inner loops in explicit vectors: dot products over four vector accumulators, softmax a vector of scores at a
//   time with a vector exp, o accumulated in registers over a block of keys.
// Differs from: blocked, whose dot product is one chain of scalar additions and whose expf is called score by score.
// Cost: the same FLOPs and bytes; one horizontal sum per score is what is left to save; workspace 32 x seqlen_k.
// Numerics: f32, 4 x lanes partial sums per dot product; xsimd::exp, about 1 ulp.
// Limits: none. Lengths that are not a multiple of the vector end in a scalar loop.
// Source: xsimd; for the reduction, Intel 64 and IA-32 Optimization Reference Manual, section on FMA latency.
#include "detail/blocks.hpp"
#include "detail/vector_steps.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_vectorized(const Args* args) {
  for (std::int64_t b = 0; b < args->problem->batch; ++b)
    for (std::int64_t h = 0; h < args->problem->heads; ++h)
      attend_head<VectorSteps>(*args, b, h, static_cast<float*>(args->workspace));
}

std::size_t vectorized_workspace(const Problem* p, std::int32_t) { return block_scores(*p) * sizeof(float); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(vectorized, .summary = "blocked, with xsimd vectors in the inner loops", .source = "xsimd",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE, .error_multiple = 1,
             .limits = nullptr, .workspace_bytes = vectorized_workspace, .run = run_vectorized)
