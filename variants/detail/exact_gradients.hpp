// Gradients that a fast kernel cannot finish, computed again in plain loops as naive_backward has them: it leaves pairs
// whose score is -inf out, where products of tiles make 0 x inf = NaN of them.
#pragma once

#include "detail/exact_row.hpp"

namespace attn::ATTN_ISA {
namespace {

// What a pair of a query and a key of its head contributes: weight do to dv, ds q to dk, ds k to dq.
struct ExactPair {
  bool left_out;
  float weight, ds;
};

inline ExactPair exact_pair(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const Problem& p = *args.problem;
  const std::int64_t kv_head = kv_head_of(p, h);
  const float* d_o = row_of<float>(args.do_, b, h, i);
  const float score = score_of(p, args.softmax_scale * plain_dot(row_of<float>(args.q, b, h, i),
                                                                 row_of<float>(args.k, b, kv_head, j), p.head_dim));
  if (score == -std::numeric_limits<float>::infinity()) return {.left_out = true, .weight = 0, .ds = 0};
  const float delta = plain_dot(d_o, row_of<float>(args.o, b, h, i), p.value_dim);
  const float prob = std::exp(score - args.lse[(b * p.heads + h) * p.seqlen_q + i]);
  const float factor = p.dropout > 0 ? dropout_factor(make_dropout(args), b, h, i, j) : 1.0f;
  const float dp = plain_dot(d_o, row_of<float>(args.v, b, kv_head, j), p.value_dim);
  return {.left_out = false,
          .weight = prob * factor,
          .ds = args.softmax_scale * slope_of(p, score, 0.0f).value * prob * (factor * dp - delta)};
}

inline void add_scaled(float* sum, float factor, const float* x, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) sum[d] += factor * x[d];
}

[[gnu::noinline, gnu::cold]] inline void compute_dq_exactly(const Args& args, std::int64_t b, std::int64_t h,
                                                            std::int64_t i) {
  const Problem& p = *args.problem;
  const KeyRange keys = visible_keys(p, i);
  float* dq = row_of<float>(args.dq, b, h, i);
  std::fill_n(dq, p.head_dim, 0.0f);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const ExactPair pair = exact_pair(args, b, h, i, j);
    if (!pair.left_out) add_scaled(dq, pair.ds, row_of<float>(args.k, b, kv_head_of(p, h), j), p.head_dim);
  }
}

[[gnu::noinline, gnu::cold]] inline void compute_dk_dv_exactly(const Args& args, std::int64_t b, std::int64_t kv_head,
                                                               std::int64_t j) {
  const Problem& p = *args.problem;
  const std::int64_t group = p.heads / p.kv_heads;
  float *dk = row_of<float>(args.dk, b, kv_head, j), *dv = row_of<float>(args.dv, b, kv_head, j);
  std::fill_n(dk, p.head_dim, 0.0f);
  std::fill_n(dv, p.value_dim, 0.0f);
  for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
    for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
      const KeyRange keys = visible_keys(p, i);
      if (j < keys.begin || j >= keys.end) continue;
      const ExactPair pair = exact_pair(args, b, h, i, j);
      if (pair.left_out) continue;
      add_scaled(dk, pair.ds, row_of<float>(args.q, b, h, i), p.head_dim);
      add_scaled(dv, pair.weight, row_of<float>(args.do_, b, h, i), p.value_dim);
    }
}

// For the end of a row whose gradients are written: computes them again where they are not finite.
inline void mend_dq(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i) {
  if (!is_finite(row_of<float>(args.dq, b, h, i), args.problem->head_dim)) [[unlikely]]
    compute_dq_exactly(args, b, h, i);
}

inline void mend_dk_dv(const Args& args, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
  const Problem& p = *args.problem;
  if (!is_finite(row_of<float>(args.dk, b, kv_head, j), p.head_dim) ||
      !is_finite(row_of<float>(args.dv, b, kv_head, j), p.value_dim)) [[unlikely]]
    compute_dk_dv_exactly(args, b, kv_head, j);
}

}  // namespace
}  // namespace attn::ATTN_ISA
