// Idea: attention as the equation reads: scores = q k^T, probs = softmax(scores), o = probs v, three passes over a
// matrix of seqlen_q x seqlen_k scores that is kept whole. The first rung: every speedup is measured against it.
// Differs from: src/reference.cpp, the same algorithm in fp64 and row by row, never timed.
// Cost: 2 d + 2 dv FLOPs per visible pair; each score is written and read back twice; workspace seqlen_q x seqlen_k,
//   and a row of o.
// Numerics: f32 accumulators in the order of the loops, whatever the dtype; 16 bits are widened when read, and rounded
//   once, when o is written; expf of the C library; probs normalised before o. Scales of int8 multiply scores and probs.
// Limits: none. A dot product is one chain of additions, which the compiler may not reorder: -O3 vectorises the third
//   pass whole, of the first only the products, whose sum still goes lane after lane.
// Source: Vaswani et al., "Attention Is All You Need", equation 1.
#include <cmath>
#include <limits>

#include "dropout.hpp"
#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// E: what q and o consist of; KV: k and v.
template <class E, class KV>
void compute_scores(const Args& args, std::int64_t b, std::int64_t h, float* scores) {
  const Problem& p = *args.problem;
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    const E* q = row_of<E>(args.q, b, h, i);
    const KeyRange keys = visible_keys(p, i);
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const KV* k = row_of<KV>(args.k, b, kv_head_of(p, h), j);
      float dot = 0;
      for (std::int64_t d = 0; d < p.head_dim; ++d) dot += to_float(q[d]) * to_float(k[d]);
      if constexpr (std::is_same_v<KV, Int8>) dot *= scales_of(args.k_scale, p, b, kv_head_of(p, h))[j];
      scores[i * p.seqlen_k + j] = score_of(p, dot * args.softmax_scale);
    }
  }
}

void softmax_rows(const Args& args, std::int64_t b, std::int64_t h, float* scores) {
  const Problem& p = *args.problem;
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    float* row = scores + i * p.seqlen_k;
    const KeyRange keys = visible_keys(p, i);
    float row_max = -std::numeric_limits<float>::infinity();
    for (std::int64_t j = keys.begin; j < keys.end; ++j) row_max = std::max(row_max, row[j]);
    // Where every score is -inf, subtracting 0 instead avoids -inf - -inf, and the weights stay 0.
    const float shift = row_max == -std::numeric_limits<float>::infinity() ? 0 : row_max;
    float row_sum = 0;
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      row[j] = std::exp(row[j] - shift);
      row_sum += row[j];
    }
    if (row_sum != 0)
      for (std::int64_t j = keys.begin; j < keys.end; ++j) row[j] /= row_sum;
    // Such a row, as one that sees no key, has row_max -inf and row_sum 0, and so lse -inf.
    if (args.lse) args.lse[(b * p.heads + h) * p.seqlen_q + i] = row_max + std::log(row_sum);
  }
}

void drop_probs(const Args& args, std::int64_t b, std::int64_t h, float* probs) {
  const Problem& p = *args.problem;
  const Dropout drop = make_dropout(args);
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    const KeyRange keys = visible_keys(p, i);
    for (std::int64_t j = keys.begin; j < keys.end; ++j) probs[i * p.seqlen_k + j] *= dropout_factor(drop, b, h, i, j);
  }
}

// sum: [value_dim], a row of o before it is rounded.
template <class E, class KV>
void accumulate_pv(const Args& args, std::int64_t b, std::int64_t h, const float* probs, float* sum) {
  const Problem& p = *args.problem;
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    for (std::int64_t d = 0; d < p.value_dim; ++d) sum[d] = 0;
    const KeyRange keys = visible_keys(p, i);
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const KV* v = row_of<KV>(args.v, b, kv_head_of(p, h), j);
      float prob = probs[i * p.seqlen_k + j];
      if constexpr (std::is_same_v<KV, Int8>) prob *= scales_of(args.v_scale, p, b, kv_head_of(p, h))[j];
      for (std::int64_t d = 0; d < p.value_dim; ++d) sum[d] += prob * to_float(v[d]);
    }
    E* o = row_of<E>(args.o, b, h, i);
    for (std::int64_t d = 0; d < p.value_dim; ++d) o[d] = round_to<E>(sum[d]);
  }
}

template <class E, class KV>
void attend_heads(const Args& args) {
  const Problem& p = *args.problem;
  float* scores = static_cast<float*>(args.workspace);
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h) {
      compute_scores<E, KV>(args, b, h, scores);
      softmax_rows(args, b, h, scores);
      if (p.dropout > 0) drop_probs(args, b, h, scores);
      accumulate_pv<E, KV>(args, b, h, scores, scores + p.seqlen_q * p.seqlen_k);
    }
}

void run_naive(const Args* args) {
  with_elements(*args->problem, [&]<class E, class KV>(E, KV) { attend_heads<E, KV>(*args); });
}

const char* naive_limits(const Problem* p) {
  return p->seqlen_q > (std::int64_t{1} << 60) / p->seqlen_k ? "its score matrix exceeds 64-bit sizes" : nullptr;
}

std::size_t naive_workspace(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(p->seqlen_q * p->seqlen_k + p->value_dim) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(naive, .summary = "three plain loops over the whole score matrix",
             .source = "Vaswani et al. 2017, equation 1",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_DROPOUT |
                         ATTN_SOFTCAP | ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16 | ATTN_TAKES_KV_INT8,
             .error_multiple = 1, .limits = naive_limits, .workspace_bytes = naive_workspace, .run = run_naive)
