// Quantisation: keys and values of int8, for decoding against a cache of half the bytes of 16 bits. THE FORMAT:
//  - A token's features of one kv head, a row of k or of v, are whole numbers n from -127 to 127, and x = scale n. The scale
//    is the row's own, f32, positive and finite; scales of k and of v are [batch, kv_heads, seqlen_k] each, contiguous.
//  - Quantising is symmetric: scale = max |x| / 127 in f32, n = x / scale to the nearest, ties to even. -128 does not occur,
//    so that every number has its negative. A row of zeros has the scale 1; where max |x| / 127 is too small for f32, the
//    scale is the smallest positive number.
//  - A score is softmax_scale scale_j (q . n_j), and o = sum_j (p_j scale_j) n_j: neither needs k or v in another form. The
//    sum of the weights, and lse, know nothing of the scales of v.
//
// What is validated is exactness: the oracle takes x = scale n for the keys and values, in fp64. How far the result is from
// that of the numbers that were quantised is a property of the format and of these numbers (quantisation_err of
// check.hpp), and no fault of a kernel.
//
// Source: symmetric 8-bit scales of a block as in llama.cpp's q8_0, the block being a token's head, as vLLM's and SGLang's
// per-token-head int8 caches have it. Liu et al., KIVI (2024), section 3, on what is lost: keys have large features, for
// which a scale per feature would be finer, but a token that is appended then changes those of others.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "problem.hpp"
#include "tensor.hpp"

namespace attn {

// Quantises n finite numbers; returns their scale. Source: above.
inline float quantise(const float* x, std::int64_t n, Int8* to) {
  float largest = 0;
  for (std::int64_t d = 0; d < n; ++d) largest = std::max(largest, std::fabs(x[d]));
  const float scale = largest == 0 ? 1 : std::max(largest / 127, std::numeric_limits<float>::denorm_min());
  for (std::int64_t d = 0; d < n; ++d) to[d] = round_to<Int8>(x[d] / scale);
  return scale;
}

// What multiplies the elements of a row of k or v, `scales` being those of k or v; 1 where there are none.
inline float scale_of(const TensorView& scales, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
  return scales.data == nullptr ? 1 : *row_of<float>(scales, b, kv_head, j);
}

// Row j of k or v in T, multiplied by its scale; exact in double.
template <class T>
inline void read_scaled_row(const TensorView& t, const TensorView& scales, std::int64_t b, std::int64_t kv_head,
                            std::int64_t j, T* to) {
  read_row(t, b, kv_head, j, to);
  if (scales.data == nullptr) return;
  const T scale = scale_of(scales, b, kv_head, j);
  for (std::int64_t d = 0; d < t.shape[3]; ++d) to[d] *= scale;
}

// Throws std::invalid_argument naming the first scale that is not positive and finite, with its head and token.
void validate_scales(const Tensors& tensors);

}  // namespace attn
