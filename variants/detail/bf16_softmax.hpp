// bf16 attention on tiles, the softmax: from S^T of a step to P^T, against a reference that may be stale, as in
// lazy_softmax.hpp. A unit is two keys of 16 queries: 2 x 16 scores in, 16 pairs of bf16 out.
//
// While the tile unit multiplies, port 5 has no 512-bit multiplies: the fused multiply-adds, VREDUCEPS and VSCALEFPS of a
// unit all wait for port 0, 12 of them, while additions, logic and the shuffle go to port 5. Hence rounding by an
// integer addition, and both keys in one shuffle, rather than VCVTNE2PS2BF16 (two cycles of port 0).
#pragma once

#include "detail/bf16_layout.hpp"

namespace attn::ATTN_ISA {
namespace {

inline constexpr std::int64_t kUnits = 32;    // of a step
inline constexpr float kMaxSum = 0x1p20f;     // of a lane's weights before its reference is raised
inline constexpr float kNoReference = 1e30f;  // of a lane that has seen no key: every weight is 0

// 16 queries twice. Weights are 2^(scale * score + minus_reference).
struct Lanes {
  __m512 scale;
  __m512 minus_reference[2];
  __m512 sum[2];        // of the weights as P^T has them, so that their rounding errors cancel in o
  __m512 exact_sum[2];  // of the weights in f32, for lse; 0 where none is wanted
};

// The keys of a step that a lane sees, counted from its first one.
struct VisibleLanes {
  __m512i begin[2], end[2];
};

// 2^t, minimax in relative error over the fraction: 7.5e-5 of degree 3, a tenth of what bf16 keeps, 7.5e-8 of degree 5
// for lse. VSCALEFPS multiplies by 2^floor(t), so the fraction is t - floor(t).
template <bool kLse>
[[gnu::always_inline]] inline __m512 exp2_of(__m512 t) {
  constexpr int kFloor = 0x9;
  const __m512 f = _mm512_reduce_ps(t, kFloor);
  const auto next = [&](__m512 sum, float c) __attribute__((always_inline)) {
    return _mm512_fmadd_ps(sum, f, _mm512_set1_ps(c));
  };
  if constexpr (kLse) {
    const __m512 high = next(next(_mm512_set1_ps(1.87757667e-3f), 8.98934009e-3f), 5.58263180e-2f);
    return _mm512_scalef_ps(next(next(next(high, 2.40153617e-1f), 6.93153073e-1f), 9.99999925e-1f), t);
  } else {
    const __m512 high = next(next(_mm512_set1_ps(0.0780245267f), 0.226067131f), 0.695834038f);
    return _mm512_scalef_ps(next(high, 0.999925074f), t);
  }
}

// Unit (pair, y) with scores and probs at the pair: the lanes of two keys.
template <int kY, bool kLse>
[[gnu::always_inline]] inline void compute_unit(const float* scores, Bf16* probs, Lanes& lanes) {
  __m512 weight[2];
  for (int i = 0; i < 2; ++i) {
    const __m512 score = _mm512_load_ps(scores + i * kSide + kY * kLanes);
    weight[i] = exp2_of<kLse>(_mm512_fmadd_ps(score, lanes.scale, lanes.minus_reference[kY]));
  }
  if constexpr (kLse) lanes.exact_sum[kY] = _mm512_add_ps(lanes.exact_sum[kY], _mm512_add_ps(weight[0], weight[1]));
  const __m512i half = _mm512_set1_epi32(0x8000), kept = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const __m512i even = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(weight[0]), half), kept);
  const __m512i odd = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(weight[1]), half), kept);
  __m512 sum = _mm512_add_ps(lanes.sum[kY], _mm512_add_ps(_mm512_castsi512_ps(even), _mm512_castsi512_ps(odd)));
  // Pinned here: GCC would rather add up at the end, and keep every weight on the stack until then.
  asm volatile("" : "+v"(sum));
  lanes.sum[kY] = sum;
  // The high half of each word of `even` into the low half of that of `odd`.
  const __m512i high_halves = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
  _mm512_store_si512(probs + kY * kQuad / 2, _mm512_mask_shuffle_epi8(odd, 0x3333333333333333, even, high_halves));
}

// All units of a step.
template <bool kLse>
[[gnu::noinline]] void compute_step(const float* scores, Bf16* probs, Lanes& lanes) {
  Lanes local = lanes;
  order_memory();
  for (std::int64_t pair = 0; pair < kUnits / 2; ++pair) {
    compute_unit<0, kLse>(scores + 2 * pair * kSide, probs + pair * kSide, local);
    compute_unit<1, kLse>(scores + 2 * pair * kSide, probs + pair * kSide, local);
  }
  order_memory();
  lanes = local;
}

// Overwrites the scores of pairs that are masked by what has a weight of 0, so that the units need to know of no mask.
inline void hide_masked(float* scores, const VisibleLanes& visible, float scale) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const __m512 hidden = _mm512_set1_ps(scale < 0 ? kInfinity : -kInfinity);
  order_memory();
  for (std::int64_t key = 0; key < kSide; ++key)
    for (int y = 0; y < 2; ++y) {
      const __m512i index = _mm512_set1_epi32(static_cast<int>(key));
      const __mmask16 seen =
          _mm512_cmple_epi32_mask(visible.begin[y], index) & _mm512_cmpgt_epi32_mask(visible.end[y], index);
      _mm512_mask_store_ps(scores + key * kSide + y * kLanes, ~unsigned{seen}, hidden);
    }
  order_memory();
}

// Whether a lane's weights have outgrown its reference, or it has none yet. Lanes of NaN are left alone.
inline bool wants_reference(const Lanes& lanes) {
  __mmask16 wants = 0;
  for (const __m512 sum : lanes.sum)
    wants |= _mm512_cmp_ps_mask(sum, _mm512_set1_ps(kMaxSum), _CMP_GT_OQ) |
             _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_EQ_OQ);
  return wants != 0;
}

// The largest scaled score of a step in each lane of y.
inline __m512 largest_score(const float* scores, int y, const Lanes& lanes) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  // MAXPS returns its second operand when either is NaN.
  for (std::int64_t key = 0; key < kSide; ++key)
    largest = _mm512_max_ps(_mm512_mul_ps(_mm512_load_ps(scores + key * kSide + y * kLanes), lanes.scale), largest);
  return largest;
}

// Of everything that was accumulated so far.
struct Factors {
  __m512 of[2];
};

// Raises references to the scores of a step, by whole powers of 2, which change neither f32 nor bf16 but in the exponent;
// lanes without a reference get one.
inline Factors raise_references(const float* scores, Lanes& lanes) {
  Factors factors;
  for (int y = 0; y < 2; ++y) {
    const __m512 largest = largest_score(scores, y, lanes), zero = _mm512_setzero_ps();
    const __m512 above = _mm512_roundscale_ps(_mm512_add_ps(largest, lanes.minus_reference[y]), 0xa);  // rounded up
    // The sum may have grown by its keys alone.
    const __mmask16 large = _mm512_cmp_ps_mask(lanes.sum[y], _mm512_set1_ps(kMaxSum / 2), _CMP_GT_OQ);
    const __m512 excess = _mm512_maskz_sub_ps(large, _mm512_getexp_ps(lanes.sum[y]), _mm512_set1_ps(8));
    const __m512 raise = _mm512_max_ps(_mm512_max_ps(above, excess), zero);
    const __mmask16 new_lane = _mm512_cmp_ps_mask(lanes.sum[y], zero, _CMP_EQ_OQ);
    const __mmask16 seen =
        _mm512_cmp_ps_mask(largest, _mm512_set1_ps(-std::numeric_limits<float>::infinity()), _CMP_GT_OQ);
    factors.of[y] = _mm512_mask_mov_ps(_mm512_scalef_ps(_mm512_set1_ps(1.0f), _mm512_sub_ps(zero, raise)), new_lane,
                                       _mm512_set1_ps(1.0f));
    const __m512 raised = _mm512_sub_ps(lanes.minus_reference[y], raise);
    lanes.minus_reference[y] = _mm512_mask_sub_ps(_mm512_mask_mov_ps(raised, new_lane, lanes.minus_reference[y]),
                                                  new_lane & seen, zero, largest);
    lanes.sum[y] = _mm512_mul_ps(lanes.sum[y], factors.of[y]);
    lanes.exact_sum[y] = _mm512_mul_ps(lanes.exact_sum[y], factors.of[y]);
  }
  return factors;
}

// Squares of S^T or O^T, lane by lane.
inline void scale_squares(float* x, std::int64_t squares, const Factors& factors) {
  for (std::int64_t i = 0; i < 2 * squares * kSide; ++i)
    _mm512_store_ps(x + i * kLanes, _mm512_mul_ps(_mm512_load_ps(x + i * kLanes), factors.of[i % 2]));
}

// P^T of some steps.
inline void scale_probs(Bf16* probs, std::int64_t steps, const Factors& factors) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  for (std::int64_t i = 0; i < 2 * steps * kLanes; ++i) {
    const __m512i pairs = _mm512_load_si512(probs + i * kSide);
    const __m512 factor = factors.of[i / kLanes % 2];
    const __m512i even = _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), factor));
    const __m512i odd = _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(_mm512_and_si512(pairs, high)), factor));
    _mm512_store_si512(probs + i * kSide, _mm512_or_si512(_mm512_srli_epi32(even, 16), _mm512_and_si512(odd, high)));
  }
}

}  // namespace
}  // namespace attn::ATTN_ISA
