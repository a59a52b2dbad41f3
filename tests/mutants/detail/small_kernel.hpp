// The kernel that mutants are made from: a small, correct online softmax. `Correct` holds every decision that
// a mutant gets wrong; a mutant derives from it and hides one of them.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "dropout.hpp"
#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Shorter than most test lengths, so that rescaling between blocks and the tail are exercised.
inline constexpr std::int64_t kBlockN = 16;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Correct {
  // Which tensor rows a (batch, head, query) reads and writes.
  static std::int64_t kv_head(const Problem& p, std::int64_t h) { return kv_head_of(p, h); }
  static const float* key(const Args& a, std::int64_t b, std::int64_t h, std::int64_t j) {
    return row_of<float>(a.k, b, h, j);
  }
  static float* output(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i) {
    return row_of<float>(a.o, b, h, i);
  }

  // The mask.
  static KeyRange visible(const Problem& p, std::int64_t i) { return visible_keys(p, i); }
  static KeyRange visited(const Problem&, KeyRange visible) { return visible; }
  static bool loses(KeyRange, std::int64_t) { return false; }

  // The arithmetic of a row.
  static std::int64_t dot_length(const Problem& p) { return p.head_dim; }
  static float scale(const Args& a) { return a.softmax_scale; }
  static float running_max(float old_max, float score) { return std::max(old_max, score); }
  // Where no score was finite yet, subtracting 0 instead of the maximum avoids -inf - -inf.
  static float shift(float row_max) { return row_max == -kInfinity ? 0 : row_max; }
  static float score(const Problem& p, float x) { return score_of(p, x); }
  static float exp(float x) { return std::exp(x); }
  static float correction(float old_max, float new_max) { return std::exp(old_max - new_max); }
  static float inverse_sum(float row_sum) { return row_sum == 0 ? 0 : 1 / row_sum; }
  // Whether a row whose sums overflowed is computed again, its weights normalised before they meet v.
  static constexpr bool kMends = true;
  static float lse(float row_max, float row_sum) { return row_max + std::log(row_sum); }

  // What dropout multiplies the weight by, and what that makes of the weight's share in the sum.
  static float factor(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    return dropout_factor(make_dropout(a), b, h, i, j);
  }
  static float share(float prob, float) { return prob; }

  // The frame around it.
  static void before_row(const Args&, std::int64_t, std::int64_t, std::int64_t) {}
  static void clear(float* o, std::int64_t n) { std::fill(o, o + n, 0.0f); }
  static void after_row(float*, const Problem&) {}
  static std::int64_t scores_per_thread(const Problem&) { return kBlockN; }
  static std::int64_t tasks(const Problem& p, int) { return p.batch * p.heads * p.seqlen_q; }
};

template <class Choice>
float dot(const Args& a, const float* q, const float* k) {
  float sum = 0;
  for (std::int64_t d = 0; d < Choice::dot_length(*a.problem); ++d) sum += q[d] * k[d];
  return Choice::score(*a.problem, sum * Choice::scale(a));
}

inline bool is_finite(const float* x, std::int64_t n) {
  return std::all_of(x, x + n, [](float value) { return std::isfinite(value); });
}

template <class Choice>
void attend_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, float* scores) {
  const Problem& p = *a.problem;
  const std::int64_t kv_head = Choice::kv_head(p, h);
  const KeyRange visible = Choice::visible(p, i), visited = Choice::visited(p, visible);
  Choice::before_row(a, b, h, i);
  const float* q = row_of<float>(a.q, b, h, i);
  float* o = Choice::output(a, b, h, i);
  Choice::clear(o, p.value_dim);
  float row_max = -kInfinity, row_sum = 0;
  const auto score = [&](std::int64_t j) {
    const bool hidden = j < visible.begin || j >= visible.end || Choice::loses(visible, j);
    return hidden ? -kInfinity : dot<Choice>(a, q, Choice::key(a, b, kv_head, j));
  };
  const auto factor = [&](std::int64_t j) { return p.dropout > 0 ? Choice::factor(a, b, h, i, j) : 1.0f; };
  const auto accumulate = [&](std::int64_t j, float weight) {
    const float* v = row_of<float>(a.v, b, kv_head, j);
    for (std::int64_t d = 0; d < p.value_dim; ++d) o[d] += weight * v[d];
  };
  for (std::int64_t begin = visited.begin; begin < visited.end; begin += kBlockN) {
    const std::int64_t end = std::min(begin + kBlockN, visited.end);
    float new_max = row_max;
    for (std::int64_t j = begin; j < end; ++j) {
      scores[j - begin] = score(j);
      new_max = Choice::running_max(new_max, scores[j - begin]);
    }
    const float shift = Choice::shift(new_max);
    const float correction = Choice::correction(row_max, shift);
    row_max = new_max;
    row_sum *= correction;
    for (std::int64_t d = 0; d < p.value_dim; ++d) o[d] *= correction;
    for (std::int64_t j = begin; j < end; ++j) {
      const float prob = Choice::exp(scores[j - begin] - shift);
      row_sum += Choice::share(prob, factor(j));
      accumulate(j, prob * factor(j));
    }
  }
  const float inverse = Choice::inverse_sum(row_sum);
  for (std::int64_t d = 0; d < p.value_dim; ++d) o[d] *= inverse;
  if (Choice::kMends && row_sum > 0 && !is_finite(o, p.value_dim)) {
    Choice::clear(o, p.value_dim);
    for (std::int64_t j = visited.begin; j < visited.end; ++j)
      accumulate(j, Choice::exp(score(j) - Choice::shift(row_max)) * inverse * factor(j));
  }
  if (a.lse) a.lse[(b * p.heads + h) * p.seqlen_q + i] = Choice::lse(row_max, row_sum);
  Choice::after_row(o, p);
}

template <class Choice>
void attend(const Args* args) {
  const Problem& p = *args->problem;
#pragma omp parallel for num_threads(args->threads) schedule(static)
  for (std::int64_t task = 0; task < Choice::tasks(p, args->threads); ++task) {
    float* scores = static_cast<float*>(args->workspace) + omp_get_thread_num() * kBlockN;
    const std::int64_t bh = task / p.seqlen_q;
    attend_row<Choice>(*args, bh / p.heads, bh % p.heads, task % p.seqlen_q, scores);
  }
}

template <class Choice>
std::size_t workspace(const Problem* p, std::int32_t threads) {
  return threads * Choice::scores_per_thread(*p) * sizeof(float);
}

inline constexpr std::uint64_t kAllFeatures =
    ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS | ATTN_DROPOUT | ATTN_SOFTCAP;

}  // namespace
}  // namespace attn::ATTN_ISA

// The table row of a mutant whose decisions are `Choice`.
#define ATTN_MUTANT(symbol, fault)                                                                                 \
  ATTN_VARIANT(symbol, .summary = fault, .source = "tests/mutants", .features = kAllFeatures, .error_multiple = 1, \
               .limits = nullptr, .workspace_bytes = workspace<Choice>, .run = attend<Choice>)
