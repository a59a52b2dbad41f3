// Idea: two queries go over the keys together, so that every key is loaded once for both.
// Differs from: naive, by that and by vectors along the head dimension.
// Cost: the same FLOPs; half of its loads of k and v; workspace 2 x seqlen_k.
// Numerics: f32, one vector of partial sums per score; std::exp.
// Limits: head_dim and value_dim that are multiples of 16, so that no vector of any ISA has a tail.
// Source: register blocking, two rows.
#include <algorithm>
#include <cmath>

#include "detail/simd.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

constexpr std::int64_t kTogether = 2;

const char* limits(const Problem* p) {
  return p->head_dim % 16 == 0 && p->value_dim % 16 == 0 ? nullptr : "needs d and dv that are multiples of 16";
}

std::size_t workspace(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(kTogether * p->seqlen_k) * sizeof(float);
}

float dot(const float* q, const float* k, std::int64_t n) {
  Batch sum(0.0f);
  for (std::int64_t d = 0; d < n; d += kLanes) sum = fma(load(q + d), load(k + d), sum);
  return reduce_add(sum);
}

// Scores to unnormalised probabilities; returns one over their sum.
float softmax(float* scores, std::int64_t n) {
  const float row_max = *std::max_element(scores, scores + n);
  float row_sum = 0;
  for (std::int64_t j = 0; j < n; ++j) row_sum += scores[j] = std::exp(scores[j] - row_max);
  return 1 / row_sum;
}

// `count` queries from the first on, 1 or kTogether.
void attend(const Args& a, std::int64_t b, std::int64_t h, std::int64_t first, std::int64_t count) {
  const Problem& p = *a.problem;
  float* const scores = static_cast<float*>(a.workspace);
  for (std::int64_t j = 0; j < p.seqlen_k; ++j)
    for (std::int64_t r = 0; r < count; ++r)
      scores[r * p.seqlen_k + j] = a.softmax_scale * dot(row_of<float>(a.q, b, h, first + r),
                                                         row_of<float>(a.k, b, kv_head_of(p, h), j), p.head_dim);
  for (std::int64_t r = 0; r < count; ++r) {
    float* const probs = scores + r * p.seqlen_k;
    const float factor = softmax(probs, p.seqlen_k);
    float* const o = row_of<float>(a.o, b, h, first + r);
    for (std::int64_t d = 0; d < p.value_dim; d += kLanes) {
      Batch sum(0.0f);
      for (std::int64_t j = 0; j < p.seqlen_k; ++j)
        sum = fma(Batch(probs[j]), load(row_of<float>(a.v, b, kv_head_of(p, h), j) + d), sum);
      store(o + d, sum * Batch(factor));
    }
  }
}

void run(const Args* args) {
  const Problem& p = *args->problem;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; i += kTogether)
        attend(*args, b, h, i, std::min(kTogether, p.seqlen_q - i));
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(paired_queries, .summary = "two queries at a time, from outside", .source = "register blocking",
             .features = ATTN_GQA | ATTN_DV_DIFFERS, .error_multiple = 1, .limits = limits,
             .workspace_bytes = workspace, .run = run)
