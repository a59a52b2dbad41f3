// A right kernel in plain loops for problems of 16 bits, made of the decisions that a mutant of 16 bits gets wrong; a mutant
// derives from Half and hides one of them. Scores, weights and sums are f32.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Half {
  // From the sum of products.
  template <class E>
  static float score(const Problem& p, float dot, float scale) {
    return score_of(p, dot * scale);
  }
  // Of all visible keys, whether this one is left out.
  static bool loses(std::int64_t) { return false; }
  // A weight, between 0 and 1, as it meets v.
  template <class E>
  static float weight(float prob) {
    return round_bits_to<E>(prob);
  }
  // A sum after a product was added to it.
  template <class E>
  static float sum(float x) {
    return x;
  }
  // A sum as o has it.
  template <class E>
  static E result(float x) {
    return round_to<E>(x);
  }
  // What lse takes the logarithm of: the sum of the weights before and after rounding.
  static float sum_for_lse(float exact, float) { return exact; }
};

template <class Choice, class E>
void attend_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, float* probs) {
  const Problem& p = *a.problem;
  const std::int64_t kv_head = kv_head_of(p, h);
  const KeyRange keys = visible_keys(p, i);
  const E* q = row_of<E>(a.q, b, h, i);
  float row_max = -std::numeric_limits<float>::infinity();
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const E* k = row_of<E>(a.k, b, kv_head, j);
    float dot = 0;
    for (std::int64_t d = 0; d < p.head_dim; ++d) dot += to_float(q[d]) * to_float(k[d]);
    probs[j] =
        Choice::loses(j) ? -std::numeric_limits<float>::infinity() : Choice::template score<E>(p, dot, a.softmax_scale);
    row_max = std::max(row_max, probs[j]);
  }
  const float shift = std::isinf(row_max) && row_max < 0 ? 0 : row_max;
  float exact = 0, rounded = 0;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) exact += probs[j] = std::exp(probs[j] - shift);
  const float divisor = exact == 0 ? 1 : exact;
  E* o = row_of<E>(a.o, b, h, i);
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    probs[j] = std::isfinite(exact) ? Choice::template weight<E>(probs[j] / divisor) : exact;
    rounded += probs[j] * divisor;
  }
  for (std::int64_t d = 0; d < p.value_dim; ++d) {
    float sum = 0;
    for (std::int64_t j = keys.begin; j < keys.end; ++j)
      sum = Choice::template sum<E>(sum + probs[j] * to_float(row_of<E>(a.v, b, kv_head, j)[d]));
    o[d] = Choice::template result<E>(sum);
  }
  if (a.lse) a.lse[(b * p.heads + h) * p.seqlen_q + i] = row_max + std::log(Choice::sum_for_lse(exact, rounded));
}

template <class Choice>
void attend_halves(const Args* args) {
  const Problem& p = *args->problem;
  for (std::int64_t row = 0; row < p.batch * p.heads * p.seqlen_q; ++row) {
    const std::int64_t bh = row / p.seqlen_q;
    (p.dtype == ATTN_BF16 ? attend_row<Choice, Bf16> : attend_row<Choice, F16>)(*args, bh / p.heads, bh % p.heads,
                                                                                row % p.seqlen_q,
                                                                                static_cast<float*>(args->workspace));
  }
}

inline std::size_t one_row(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(p->seqlen_k) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

#define ATTN_HALF_MUTANT(symbol, fault)                                                                          \
  ATTN_VARIANT(symbol, .summary = fault, .source = "tests/mutants",                                              \
               .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_TAKES_BF16 | \
                           ATTN_TAKES_F16,                                                                       \
               .error_multiple = 1, .limits = nullptr, .workspace_bytes = one_row, .run = attend_halves<Choice>)
