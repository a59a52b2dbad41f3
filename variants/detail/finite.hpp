// Looks for values that are not finite.
#pragma once

#include <type_traits>

#include "detail/simd.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Whether `rows` rows of `dim` floats, `stride` apart, are all finite: x * 0 is 0 for every finite x and NaN for the others.
inline bool is_finite(const float* x, std::int64_t dim, std::int64_t stride = 0, std::int64_t rows = 1) {
  Batch sum(0.0f);
  float tail = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = x + i * stride;
    std::int64_t d = 0;
    for (; d + kLanes <= dim; d += kLanes) sum = fma(load(row + d), Batch(0.0f), sum);
    for (; d < dim; ++d) tail += row[d] * 0.0f;
  }
  return xsimd::all(sum == sum) && tail == tail;
}

// The same of 16-bit elements, by their exponents.
template <class E>
requires(sizeof(E) == 2) inline bool is_finite(const E* x, std::int64_t dim) {
  constexpr std::uint16_t kExponent = std::is_same_v<E, Bf16> ? 0x7f80 : 0x7c00;
  bool finite = true;
  for (std::int64_t d = 0; d < dim; ++d) finite &= (x[d].bits & kExponent) != kExponent;
  return finite;
}

}  // namespace
}  // namespace attn::ATTN_ISA
