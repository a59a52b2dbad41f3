// Idea: the gradients as the equations read, pair after pair: the weight p again from q, k and lse, then dv += p do,
// ds = p (do.v - delta) with delta = do.o, dq += ds k, dk += ds q. Nothing of seqlen_q x seqlen_k is stored.
// Differs from: naive, which computes o; this is its backward pass, and the first rung of the backward ladder.
// Cost: 6 d + 4 dv FLOPs per visible pair; workspace: dk and dv of a kv head, a row of dq.
// Numerics: f32 sums in the order of the loops, whatever the dtype; 16 bits are widened when read, and rounded once, when
//   a gradient is written; expf of the C library.
// Limits: none. Two dot products per pair are chains of additions, as in naive.
// Source: Dao et al., FlashAttention (2022), appendix B.2; src/reference.hpp has the formulas.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dropout.hpp"
#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// E: what all tensors but lse consist of.
template <class E>
float dot(const E* x, const E* y, std::int64_t n) {
  float sum = 0;
  for (std::int64_t d = 0; d < n; ++d) sum += to_float(x[d]) * to_float(y[d]);
  return sum;
}

template <class E>
void accumulate(float* sum, float factor, const E* x, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) sum[d] += factor * to_float(x[d]);
}

template <class E>
void write_rounded(const float* sum, std::int64_t n, E* target) {
  for (std::int64_t d = 0; d < n; ++d) target[d] = round_to<E>(sum[d]);
}

// Gradients of one kv head and one query before they are rounded.
struct Sums {
  float *dk, *dv, *dq;  // [seqlen_k, head_dim], [seqlen_k, value_dim], [head_dim]

  static std::int64_t floats(const Problem& p) { return p.seqlen_k * (p.head_dim + p.value_dim) + p.head_dim; }

  Sums(float* base, const Problem& p) : dk(base), dv(dk + p.seqlen_k * p.head_dim), dq(dv + p.seqlen_k * p.value_dim) {}
};

// The gradients that flow through query i of head h.
template <class E>
void backward_row(const Args& args, const Sums& sums, std::int64_t b, std::int64_t h, std::int64_t i) {
  const Problem& p = *args.problem;
  const Dropout drop = make_dropout(args);
  const std::int64_t kv_head = kv_head_of(p, h);
  const E* q = row_of<E>(args.q, b, h, i);
  const E* d_o = row_of<E>(args.do_, b, h, i);
  const float lse = args.lse[(b * p.heads + h) * p.seqlen_q + i];
  const float delta = dot(d_o, row_of<E>(args.o, b, h, i), p.value_dim);
  const KeyRange keys = visible_keys(p, i);
  std::fill_n(sums.dq, p.head_dim, 0.0f);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const E* k = row_of<E>(args.k, b, kv_head, j);
    const E* v = row_of<E>(args.v, b, kv_head, j);
    const float score = score_of(p, args.softmax_scale * dot(q, k, p.head_dim));
    if (score == -std::numeric_limits<float>::infinity()) continue;  // its weight is 0, and 0 x inf is not
    const float prob = std::exp(score - lse);
    const float factor = p.dropout > 0 ? dropout_factor(drop, b, h, i, j) : 1.0f;
    const float slope = slope_of(p, score, 0.0f).value;
    const float ds = args.softmax_scale * slope * prob * (factor * dot(d_o, v, p.value_dim) - delta);
    accumulate(sums.dv + j * p.value_dim, prob * factor, d_o, p.value_dim);
    accumulate(sums.dk + j * p.head_dim, ds, q, p.head_dim);
    accumulate(sums.dq, ds, k, p.head_dim);
  }
  write_rounded(sums.dq, p.head_dim, row_of<E>(args.dq, b, h, i));
}

template <class E>
void backward_kv_head(const Args& args, const Sums& sums, std::int64_t b, std::int64_t kv_head) {
  const Problem& p = *args.problem;
  const std::int64_t group = p.heads / p.kv_heads;
  std::fill_n(sums.dk, p.seqlen_k * (p.head_dim + p.value_dim), 0.0f);
  for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
    for (std::int64_t i = 0; i < p.seqlen_q; ++i) backward_row<E>(args, sums, b, h, i);
  for (std::int64_t j = 0; j < p.seqlen_k; ++j) {
    write_rounded(sums.dk + j * p.head_dim, p.head_dim, row_of<E>(args.dk, b, kv_head, j));
    write_rounded(sums.dv + j * p.value_dim, p.value_dim, row_of<E>(args.dv, b, kv_head, j));
  }
}

void run_naive_backward(const Args* args) {
  const Problem& p = *args->problem;
  const Sums sums(static_cast<float*>(args->workspace), p);
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t kv_head = 0; kv_head < p.kv_heads; ++kv_head)
      with_element(p.dtype, [&]<class E>(E) { backward_kv_head<E>(*args, sums, b, kv_head); });
}

std::size_t naive_backward_workspace(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(Sums::floats(*p)) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(naive_backward, .summary = "gradients pair after pair, weights recomputed from lse",
             .source = "Dao et al. 2022, appendix B.2",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_DROPOUT | ATTN_BACKWARD |
                         ATTN_SOFTCAP | ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = naive_backward_workspace,
             .run = run_naive_backward)
