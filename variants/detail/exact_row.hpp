// Rows that a fast kernel cannot finish, computed again in plain loops. A kernel that divides by row_sum only at the end
// has sums of weights times values that may overflow where o does not; scores of -inf and below its stand-in for "no key
// yet" leave it a row_sum of 0. Either shows in the finished row, for the price of reading o once: a sum that was ever
// infinite or NaN stays so, whatever it is rescaled by.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "detail/finite.hpp"
#include "dropout.hpp"
#include "scores.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

template <class E, class Other>
inline float plain_dot(const E* x, const Other* y, std::int64_t n) {
  float sum = 0;
  for (std::int64_t d = 0; d < n; ++d) sum += to_float(x[d]) * to_float(y[d]);
  return sum;
}

// o and lse of one row by the contract of src/reference.hpp, as naive computes them: weights are normalised before they
// meet V. Scores are computed three times or more rather than kept, since a kernel has no scratch for seqlen_k of them;
// nor has it any for a row of o in f32, which is summed up in parts.
template <class E, class KV = E>
[[gnu::noinline, gnu::cold]] void attend_row_exactly(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i) {
  constexpr std::int64_t kPart = 256;
  constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
  const Problem& p = *args.problem;
  const std::int64_t kv_head = kv_head_of(p, h);
  const KeyRange keys = visible_keys(p, i);
  const E* q = row_of<E>(args.q, b, h, i);
  // What scales of int8 multiply: a score, and a weight.
  const auto scaled = [&](float x, const float* scales, std::int64_t j) {
    if constexpr (std::is_same_v<KV, Int8>) x *= scales_of(scales, p, b, kv_head)[j];
    return x;
  };
  const auto score = [&](std::int64_t j) {
    const float dot = scaled(plain_dot(q, row_of<KV>(args.k, b, kv_head, j), p.head_dim), args.k_scale, j);
    return score_of(p, args.softmax_scale * dot);
  };
  float row_max = kMinusInfinity, row_sum = 0;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) row_max = std::max(row_max, score(j));
  const float shift = row_max == kMinusInfinity ? 0 : row_max;  // no -inf - -inf
  for (std::int64_t j = keys.begin; j < keys.end; ++j) row_sum += std::exp(score(j) - shift);
  if (args.lse) args.lse[(b * p.heads + h) * p.seqlen_q + i] = row_max + std::log(row_sum);

  E* o = row_of<E>(args.o, b, h, i);
  std::fill(o, o + p.value_dim, round_to<E>(std::isnan(row_sum) ? row_sum : 0.0f));
  if (std::isnan(row_sum)) return;  // so is every weight
  const Dropout drop = make_dropout(args);
  const float divisor = row_sum == 0 ? 1 : row_sum;
  for (std::int64_t first = 0; first < p.value_dim; first += kPart) {
    const std::int64_t count = std::min(kPart, p.value_dim - first);
    std::array<float, kPart> sum = {};
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const float factor = p.dropout > 0 ? dropout_factor(drop, b, h, i, j) : 1.0f;
      const float weight = scaled(std::exp(score(j) - shift) / divisor * factor, args.v_scale, j);
      const KV* v = row_of<KV>(args.v, b, kv_head, j) + first;
      for (std::int64_t d = 0; d < count; ++d) sum[d] += weight * to_float(v[d]);
    }
    for (std::int64_t d = 0; d < count; ++d) o[first + d] = round_to<E>(sum[d]);
  }
}

// For the end of a row whose o and lse are written: computes them again where they cannot be what they should.
template <class E = float, class KV = E>
void mend_row(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i, float row_sum) {
  const bool sums = row_sum > 0 && row_sum <= std::numeric_limits<float>::max();
  if (sums && is_finite(row_of<E>(args.o, b, h, i), args.problem->value_dim)) [[likely]]
    return;
  attend_row_exactly<E, KV>(args, b, h, i);
}

}  // namespace
}  // namespace attn::ATTN_ISA
