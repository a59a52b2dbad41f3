// The backward kernel that mutants are made from: small and correct. `CorrectBackward` holds every decision that a mutant
// gets wrong; a mutant derives from it and hides one of them. A team shares kv heads, and each thread does all of its.
#pragma once

#include <cmath>
#include <limits>

#include "dropout.hpp"
#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct CorrectBackward {
  static constexpr bool kClear = true;  // whether gradients begin at zero
  static std::int64_t kv_head_of_gradient(const Problem& p, std::int64_t h) { return kv_head_of(p, h); }
  static std::int64_t heads_of_group(const Problem& p) { return p.heads / p.kv_heads; }
  static std::int64_t tasks(const Problem& p, int) { return p.batch * p.kv_heads; }
  static KeyRange visible(const Problem& p, std::int64_t i) { return visible_keys(p, i); }
  // Whether a pair that is not visible is computed and multiplied by 0.
  static constexpr bool kMultipliesHidden = false;
  // Whether a pair whose score is -inf is left out.
  static constexpr bool kLeavesOut = true;

  static float score(const Problem& p, float x) { return score_of(p, x); }
  static float slope(const Problem& p, float score) { return slope_of(p, score, 0.0f).value; }
  static float delta(float do_o) { return do_o; }
  static float prob(float score, float lse) { return std::exp(score - lse); }
  static float factor(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    return dropout_factor(make_dropout(a), b, h, i, j);
  }
  static float weight_of_dv(float prob, float factor) { return prob * factor; }
  static float dp(float do_v, float factor) { return do_v * factor; }
  static float scale_of_dq(const Args& a) { return a.softmax_scale; }
  static float scale_of_dk(const Args& a) { return a.softmax_scale; }
};

inline float dot(const float* x, const float* y, std::int64_t n) {
  float sum = 0;
  for (std::int64_t d = 0; d < n; ++d) sum += x[d] * y[d];
  return sum;
}

inline void add(float* sum, float factor, const float* x, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) sum[d] += factor * x[d];
}

template <class Choice>
void add_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i) {
  const Problem& p = *a.problem;
  const std::int64_t kv_head = kv_head_of(p, h), target = Choice::kv_head_of_gradient(p, h);
  const float* q = row_of<float>(a.q, b, h, i);
  const float* d_o = row_of<float>(a.do_, b, h, i);
  float* dq = row_of<float>(a.dq, b, h, i);
  if (Choice::kClear) std::fill_n(dq, p.head_dim, 0.0f);
  const float lse = a.lse[(b * p.heads + h) * p.seqlen_q + i];
  const float delta = Choice::delta(dot(d_o, row_of<float>(a.o, b, h, i), p.value_dim));
  const KeyRange visible = Choice::visible(p, i);
  const KeyRange visited = Choice::kMultipliesHidden ? KeyRange{0, p.seqlen_k} : visible;
  for (std::int64_t j = visited.begin; j < visited.end; ++j) {
    const float* k = row_of<float>(a.k, b, kv_head, j);
    const float seen = j >= visible.begin && j < visible.end ? 1.0f : 0.0f;
    const float score = Choice::score(p, dot(q, k, p.head_dim) * a.softmax_scale);
    if (Choice::kLeavesOut && score == -std::numeric_limits<float>::infinity()) continue;
    const float prob = seen * Choice::prob(score, lse);
    const float factor = p.dropout > 0 ? Choice::factor(a, b, h, i, j) : 1.0f;
    const float dp = Choice::dp(dot(d_o, row_of<float>(a.v, b, kv_head, j), p.value_dim), factor);
    const float ds = prob * (dp - delta) * Choice::slope(p, score);
    add(row_of<float>(a.dv, b, target, j), Choice::weight_of_dv(prob, factor), d_o, p.value_dim);
    add(row_of<float>(a.dk, b, target, j), ds * Choice::scale_of_dk(a), q, p.head_dim);
    add(dq, ds * Choice::scale_of_dq(a), k, p.head_dim);
  }
}

template <class Choice>
void backward(const Args* args) {
  const Problem& p = *args->problem;
  const std::int64_t group = p.heads / p.kv_heads;
#pragma omp parallel for num_threads(args->threads) schedule(static)
  for (std::int64_t task = 0; task < Choice::tasks(p, args->threads); ++task) {
    const std::int64_t b = task / p.kv_heads, kv_head = task % p.kv_heads;
    for (std::int64_t j = 0; j < p.seqlen_k && Choice::kClear; ++j) {
      std::fill_n(row_of<float>(args->dk, b, kv_head, j), p.head_dim, 0.0f);
      std::fill_n(row_of<float>(args->dv, b, kv_head, j), p.value_dim, 0.0f);
    }
    for (std::int64_t h = 0; h < Choice::heads_of_group(p); ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i) add_row<Choice>(*args, b, kv_head * group + h, i);
  }
}

inline constexpr std::uint64_t kBackwardFeatures =
    ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS | ATTN_DROPOUT | ATTN_BACKWARD | ATTN_SOFTCAP;

}  // namespace
}  // namespace attn::ATTN_ISA

// The table row of a backward mutant whose decisions are `Choice`.
#define ATTN_BACKWARD_MUTANT(symbol, fault)                                                        \
  ATTN_VARIANT(symbol, .summary = fault, .source = "tests/mutants", .features = kBackwardFeatures, \
               .error_multiple = 1, .limits = nullptr, .workspace_bytes = nullptr, .run = backward<Choice>)
