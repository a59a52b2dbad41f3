// Idea: the gradients as the equations read, pair after pair: the weight p again from q, k and lse, then dv += p do,
// ds = p (do.v - delta) with delta = do.o, dq += ds k, dk += ds q. Nothing of seqlen_q x seqlen_k is stored.
// Differs from: naive, which computes o; this is its backward pass, and the first rung of the backward ladder.
// Cost: 6 d + 4 dv FLOPs per visible pair; no workspace.
// Numerics: f32 sums in the order of the loops; expf of the C library.
// Limits: none. Two dot products per pair are chains of additions, as in naive.
// Source: Dao et al., FlashAttention (2022), appendix B.2; src/reference.hpp has the formulas.
#include <cmath>
#include <limits>

#include "dropout.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

float dot(const float* x, const float* y, std::int64_t n) {
  float sum = 0;
  for (std::int64_t d = 0; d < n; ++d) sum += x[d] * y[d];
  return sum;
}

void accumulate(float* sum, float factor, const float* x, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) sum[d] += factor * x[d];
}

void clear(const attn_output& t, std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t dim) {
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < rows; ++i) std::fill_n(row_of<float>(t, b, h, i), dim, 0.0f);
}

// The gradients that flow through query i of head h.
void backward_row(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i) {
  const Problem& p = *args.problem;
  const Dropout drop = make_dropout(args);
  const std::int64_t kv_head = kv_head_of(p, h);
  const float* q = row_of<float>(args.q, b, h, i);
  const float* d_o = row_of<float>(args.do_, b, h, i);
  float* dq = row_of<float>(args.dq, b, h, i);
  const float lse = args.lse[(b * p.heads + h) * p.seqlen_q + i];
  const float delta = dot(d_o, row_of<float>(args.o, b, h, i), p.value_dim);
  const KeyRange keys = visible_keys(p, i);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const float* k = row_of<float>(args.k, b, kv_head, j);
    const float* v = row_of<float>(args.v, b, kv_head, j);
    const float score = args.softmax_scale * dot(q, k, p.head_dim);
    if (score == -std::numeric_limits<float>::infinity()) continue;  // its weight is 0, and 0 x inf is not
    const float prob = std::exp(score - lse);
    const float factor = p.dropout > 0 ? dropout_factor(drop, b, h, i, j) : 1.0f;
    const float ds = args.softmax_scale * prob * (factor * dot(d_o, v, p.value_dim) - delta);
    accumulate(row_of<float>(args.dv, b, kv_head, j), prob * factor, d_o, p.value_dim);
    accumulate(row_of<float>(args.dk, b, kv_head, j), ds, q, p.head_dim);
    accumulate(dq, ds, k, p.head_dim);
  }
}

void run_naive_backward(const Args* args) {
  const Problem& p = *args->problem;
  clear(args->dq, p.batch, p.heads, p.seqlen_q, p.head_dim);
  clear(args->dk, p.batch, p.kv_heads, p.seqlen_k, p.head_dim);
  clear(args->dv, p.batch, p.kv_heads, p.seqlen_k, p.value_dim);
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i) backward_row(*args, b, h, i);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(naive_backward, .summary = "gradients pair after pair, weights recomputed from lse",
             .source = "Dao et al. 2022, appendix B.2",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_DROPOUT | ATTN_BACKWARD,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = nullptr, .run = run_naive_backward)
