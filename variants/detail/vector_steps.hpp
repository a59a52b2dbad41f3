// The steps of detail/blocks.hpp in xsimd vectors. Rows end in a scalar loop of fewer than kLanes elements.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "detail/half_vectors.hpp"
#include "detail/simd.hpp"

namespace attn::ATTN_ISA {
namespace {

struct VectorSteps {
  // Independent accumulators per dot product and per row of o: an FMA has a latency of 4 and two issue per cycle, so
  // at least 8 chains fill the ports; 4 chains, with the next key's loads overlapping, come close and spill nowhere.
  static constexpr std::int64_t kChains = 4;
  using Accumulators = std::array<Batch, kChains>;

  template <class E = float>
  static float dot(const E* q, const E* k, std::int64_t n) {
    Accumulators sum;
    sum.fill(Batch(0.0f));
    std::int64_t d = 0;
    for (; d + kChains * kLanes <= n; d += kChains * kLanes)
      for (std::int64_t c = 0; c < kChains; ++c)
        sum[c] = fma(load(q + d + c * kLanes), load(k + d + c * kLanes), sum[c]);
    for (; d + kLanes <= n; d += kLanes) sum[0] = fma(load(q + d), load(k + d), sum[0]);
    float total = reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; d < n; ++d) total += to_float(q[d]) * to_float(k[d]);
    return total;
  }

  static float max(const float* row, std::int64_t n) {
    Batch largest(-std::numeric_limits<float>::infinity());
    std::int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) largest = xsimd::max(largest, load(row + j));
    std::array<float, kLanes> lanes;
    store(lanes.data(), largest);
    float result = -std::numeric_limits<float>::infinity();
    for (const float lane : lanes) result = std::max(result, lane);
    for (; j < n; ++j) result = std::max(result, row[j]);
    return result;
  }

  static float exp_and_sum(float* row, std::int64_t n, float row_max) {
    Batch sum(0.0f);
    std::int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      const Batch prob = xsimd::exp(load(row + j) - row_max);
      store(row + j, prob);
      sum += prob;
    }
    float total = reduce_add(sum);
    for (; j < n; ++j) total += row[j] = std::exp(row[j] - row_max);
    return total;
  }

  static void scale(float* row, std::int64_t n, float factor) {
    std::int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) store(row + j, load(row + j) * factor);
    for (; j < n; ++j) row[j] *= factor;
  }

  static void accumulate(float* o, std::int64_t n, const float* probs, const float* v, std::int64_t v_stride,
                         std::int64_t keys) {
    std::int64_t d = 0;
    for (; d + kChains * kLanes <= n; d += kChains * kLanes)
      accumulate_columns<kChains>(o + d, probs, v + d, v_stride, keys);
    for (; d + kLanes <= n; d += kLanes) accumulate_columns<1>(o + d, probs, v + d, v_stride, keys);
    for (; d < n; ++d)
      for (std::int64_t j = 0; j < keys; ++j) o[d] += probs[j] * v[j * v_stride + d];
  }

 private:
  // Count vectors of one row of o stay in registers over all keys.
  template <std::int64_t Count>
  static void accumulate_columns(float* o, const float* probs, const float* v, std::int64_t v_stride,
                                 std::int64_t keys) {
    std::array<Batch, Count> sum;
    for (std::int64_t c = 0; c < Count; ++c) sum[c] = load(o + c * kLanes);
    for (std::int64_t j = 0; j < keys; ++j)
      for (std::int64_t c = 0; c < Count; ++c)
        sum[c] = fma(Batch(probs[j]), load(v + j * v_stride + c * kLanes), sum[c]);
    for (std::int64_t c = 0; c < Count; ++c) store(o + c * kLanes, sum[c]);
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA
