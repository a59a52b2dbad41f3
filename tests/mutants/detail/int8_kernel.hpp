// A right kernel in plain loops whose keys and values may be int8, made of the decisions that a mutant of int8 gets wrong; a
// mutant derives from Int8Cache and hides one of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Int8Cache {
  static float number(Int8 x) { return to_float(x); }
  // Of key j, `scales` being those of k, or of v.
  static float k_scale(const Problem& p, const float* scales, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
    return scales_of(scales, p, b, kv_head)[j];
  }
  static float v_scale(const Problem& p, const float* scales, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
    return scales_of(scales, p, b, kv_head)[j];
  }
  // What a weight adds to the sum that all are divided by.
  static float in_sum(float weight, float) { return weight; }
};

// Of a row of keys or values, and of its elements.
template <class KV, class Scale>
float scale_or_1(const Scale& scale) {
  if constexpr (std::is_same_v<KV, Int8>)
    return scale();
  else
    return 1;
}

template <class Choice, class KV>
float number_of(KV x) {
  if constexpr (std::is_same_v<KV, Int8>)
    return Choice::number(x);
  else
    return to_float(x);
}

template <class Choice, class KV>
void attend_row(const Args& a, std::int64_t b, std::int64_t h, std::int64_t i, float* probs) {
  const Problem& p = *a.problem;
  const std::int64_t kv_head = kv_head_of(p, h);
  const KeyRange keys = visible_keys(p, i);
  const float* q = row_of<float>(a.q, b, h, i);
  const auto k_scale = [&](std::int64_t j) {
    return scale_or_1<KV>([&] { return Choice::k_scale(p, a.k_scale, b, kv_head, j); });
  };
  const auto v_scale = [&](std::int64_t j) {
    return scale_or_1<KV>([&] { return Choice::v_scale(p, a.v_scale, b, kv_head, j); });
  };
  float row_max = -std::numeric_limits<float>::infinity();
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const KV* k = row_of<KV>(a.k, b, kv_head, j);
    float dot = 0;
    for (std::int64_t d = 0; d < p.head_dim; ++d) dot += q[d] * number_of<Choice>(k[d]);
    probs[j] = score_of(p, dot * k_scale(j) * a.softmax_scale);
    row_max = std::max(row_max, probs[j]);
  }
  const float shift = std::isinf(row_max) && row_max < 0 ? 0 : row_max;
  float sum = 0, divisor = 0;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    sum += probs[j] = std::exp(probs[j] - shift);
    divisor += Choice::in_sum(probs[j], v_scale(j));
  }
  if (divisor == 0) divisor = 1;
  float* o = row_of<float>(a.o, b, h, i);
  for (std::int64_t d = 0; d < p.value_dim; ++d) {
    float result = 0;
    for (std::int64_t j = keys.begin; j < keys.end; ++j)
      result += probs[j] / divisor * v_scale(j) * number_of<Choice>(row_of<KV>(a.v, b, kv_head, j)[d]);
    o[d] = result;
  }
  if (a.lse) a.lse[(b * p.heads + h) * p.seqlen_q + i] = row_max + std::log(sum);
}

template <class Choice, class KV>
void attend_all(const Args& args) {
  const Problem& p = *args.problem;
  for (std::int64_t row = 0; row < p.batch * p.heads * p.seqlen_q; ++row) {
    const std::int64_t bh = row / p.seqlen_q;
    attend_row<Choice, KV>(args, bh / p.heads, bh % p.heads, row % p.seqlen_q, static_cast<float*>(args.workspace));
  }
}

template <class Choice>
void attend_int8(const Args* args) {
  has_int8_kv(*args->problem) ? attend_all<Choice, Int8>(*args) : attend_all<Choice, float>(*args);
}

inline std::size_t one_row(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(p->seqlen_k) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

#define ATTN_INT8_MUTANT(symbol, fault)                                                                         \
  ATTN_VARIANT(symbol, .summary = fault, .source = "tests/mutants",                                             \
               .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_TAKES_F32 | \
                           ATTN_TAKES_KV_INT8,                                                                  \
               .error_multiple = 1, .limits = nullptr, .workspace_bytes = one_row, .run = attend_int8<Choice>)
