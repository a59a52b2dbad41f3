// Idea: the three passes over a block of 32 queries at a time, and inside it over 64 keys at a time, so that a block of
//   K (and later of V) is read from L1 by every query of the block, and the scores of the block stay in L2.
// Differs from: naive, which walks all keys for each query and keeps seqlen_q x seqlen_k scores.
// Cost: the same FLOPs; K and V leave L2 once per 32 queries instead of once per query; workspace 32 x seqlen_k.
// Numerics: as naive; the weights are multiplied by 1 / row_sum instead of divided by row_sum.
// Limits: none. Where a dot product waits for its own additions rather than for memory, blocking gains little: that is
//   what this rung teaches, and what `vectorized` mends.
// Source: Lam, Rothberg, Wolf, "The Cache Performance and Optimizations of Blocked Algorithms", ASPLOS 1991.
#include "detail/blocks.hpp"

namespace attn::ATTN_ISA {
namespace {

struct ScalarSteps {
  static float dot(const float* q, const float* k, std::int64_t n) {
    float sum = 0;
    for (std::int64_t d = 0; d < n; ++d) sum += q[d] * k[d];
    return sum;
  }

  static float max(const float* row, std::int64_t n) {
    float largest = -std::numeric_limits<float>::infinity();
    for (std::int64_t j = 0; j < n; ++j) largest = std::max(largest, row[j]);
    return largest;
  }

  static float exp_and_sum(float* row, std::int64_t n, float row_max) {
    float sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += row[j] = std::exp(row[j] - row_max);
    return sum;
  }

  static void scale(float* row, std::int64_t n, float factor) {
    for (std::int64_t j = 0; j < n; ++j) row[j] *= factor;
  }

  static void accumulate(float* o, std::int64_t n, const float* probs, const float* v, std::int64_t v_stride,
                         std::int64_t keys) {
    for (std::int64_t j = 0; j < keys; ++j) {
      const float prob = probs[j];  // read once: for all the compiler knows, o may overlap probs
      for (std::int64_t d = 0; d < n; ++d) o[d] += prob * v[j * v_stride + d];
    }
  }
};

void run_blocked(const Args* args) {
  for (std::int64_t b = 0; b < args->problem->batch; ++b)
    for (std::int64_t h = 0; h < args->problem->heads; ++h)
      attend_head<ScalarSteps>(*args, b, h, static_cast<float*>(args->workspace));
}

std::size_t blocked_workspace(const Problem* p, std::int32_t) { return block_scores(*p) * sizeof(float); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(blocked, .summary = "three passes over cache blocks of queries and keys",
             .source = "Lam, Rothberg, Wolf 1991",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE, .error_multiple = 1,
             .limits = nullptr, .workspace_bytes = blocked_workspace, .run = run_blocked)
