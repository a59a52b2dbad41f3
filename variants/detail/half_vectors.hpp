// Vectors of 16-bit elements as vectors of floats and back, and of int8 to be read, by the rules of src/element.hpp, which
// has the same for single numbers: widening is exact; rounding is to nearest, ties to even, overflows to infinity and keeps
// NaN. Beside load and store of simd.hpp, so that a step is written once for all elements. Written with vector extensions
// (GCC 12, clang), but for what an ISA has an instruction for: GCC converts vectors of integers in halves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "detail/lanes.hpp"
#include "detail/simd.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

template <class T>
using LanesOf [[gnu::vector_size(kLanes * sizeof(T))]] = T;
using Bits32 = LanesOf<std::uint32_t>;
using Bits16 = LanesOf<std::uint16_t>;

// 16 bits in the low half of 32.
inline Bits32 load_bits(const void* p) {
#if defined(__AVX512F__)
  return (Bits32)_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
#elif defined(__AVX2__)
  return (Bits32)_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
#else
  Bits16 bits;
  std::memcpy(&bits, p, sizeof bits);
  return __builtin_convertvector(bits, Bits32);
#endif
}
inline void store_bits(void* p, Bits32 bits) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16((__m512i)bits));
#else
  const Bits16 halves = __builtin_convertvector(bits, Bits16);
  std::memcpy(p, &halves, sizeof halves);
#endif
}

inline Batch as_floats(Bits32 bits) {
  typename Batch::register_type floats;
  static_assert(sizeof floats == sizeof bits);
  std::memcpy(&floats, &bits, sizeof bits);
  return Batch(floats);
}
inline Bits32 as_bits(const Batch& x) {
  const auto floats = static_cast<typename Batch::register_type>(x);
  Bits32 bits;
  std::memcpy(&bits, &floats, sizeof bits);
  return bits;
}

// a where the mask is all ones, b where it is 0.
inline Bits32 choose(Bits32 mask, Bits32 a, Bits32 b) { return (mask & a) | (~mask & b); }

inline Batch load(const Bf16* p) { return as_floats(load_bits(p) << 16); }

inline void store(Bf16* p, const Batch& x) {
  const Bits32 bits = as_bits(x);
  const Bits32 is_nan = (Bits32)((bits & 0x7fffffffu) > 0x7f800000u);
  const Bits32 rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  store_bits(p, choose(is_nan, bits >> 16 | 0x40u, rounded));
}

// Whole numbers, without their scale.
inline Batch load(const Int8* p) {
#if defined(__AVX512F__)
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#elif defined(__SSE2__)
  int bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  const __m128i low = _mm_cvtsi32_si128(bytes), pairs = _mm_unpacklo_epi8(low, low);
  return _mm_cvtepi32_ps(_mm_srai_epi32(_mm_unpacklo_epi16(pairs, pairs), 24));
#else
  LanesOf<std::int8_t> whole;
  std::memcpy(&whole, p, sizeof whole);
  const auto floats = __builtin_convertvector(whole, LanesOf<float>);
  static_assert(sizeof floats == sizeof(typename Batch::register_type));
  return Batch((typename Batch::register_type)floats);
#endif
}

#if defined(__AVX512F__)
inline Batch load(const F16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline void store(F16* p, const Batch& x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__F16C__)
inline Batch load(const F16* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline void store(F16* p, const Batch& x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__aarch64__)
inline Batch load(const F16* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits))); }
inline void store(F16* p, const Batch& x) { vst1_u16(&p->bits, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
#else
// Halves below 2^-14 have no leading 1: they are whole numbers of 2^-24.
inline Batch load(const F16* p) {
  const Bits32 bits = load_bits(p), magnitude = bits & 0x7fffu;
  const Bits32 exponent = choose((Bits32)(magnitude >= 0x7c00u), Bits32{} + 0x70000000u, Bits32{} + 0x38000000u);
  const Bits32 small = as_bits(Batch(__builtin_convertvector(magnitude, LanesOf<float>)) * Batch(0x1p-24f));
  return as_floats(choose((Bits32)(magnitude < 0x0400u), small, (magnitude << 13) + exponent) | (bits & 0x8000u) << 16);
}

inline void store(F16* p, const Batch& x) {
  const Bits32 bits = as_bits(x), magnitude = bits & 0x7fffffffu;
  const Bits32 normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  // The sum's last bit is worth 2^-24, the quantum of the result.
  const Bits32 small = as_bits(as_floats(magnitude) + Batch(0.5f)) - 0x3f000000u;
  Bits32 half = choose((Bits32)(magnitude < 0x38800000u), small, normal);
  half = choose((Bits32)(magnitude >= 0x477ff000u), Bits32{} + 0x7c00u, half);  // 65520 and more
  half = choose((Bits32)(magnitude > 0x7f800000u), (magnitude >> 13 & 0x3ffu) | 0x7e00u, half);
  store_bits(p, half | bits >> 31 << 15);
}
#endif

// As many features as one load of a vector brings, in as many vectors: kParts of every kParts-th. Of a pair of Bf16 each
// number is one operation from its float, where two vectors of neighbours take two each.
template <class E>
inline constexpr std::int64_t kParts = std::is_same_v<E, Bf16> ? 2 : 1;
template <class E>
using Parts = std::array<Batch, kParts<E>>;

template <class E>
inline Parts<E> load_parts(const E* p) {
  return {load(p)};
}
inline Parts<Bf16> load_parts(const Bf16* p) {
  Bits32 pairs;
  std::memcpy(&pairs, p, sizeof pairs);
  return {as_floats(pairs << 16), as_floats(pairs & 0xffff0000u)};
}

// The same features as vectors of neighbours.
inline std::array<Batch, 1> in_order(const std::array<Batch, 1>& parts) { return parts; }
inline constexpr std::int64_t first_of_pairs(std::int64_t i) { return i / 2 + i % 2 * kLanes; }
inline constexpr std::int64_t last_of_pairs(std::int64_t i) { return first_of_pairs(i) + kLanes / 2; }
inline std::array<Batch, 2> in_order(const std::array<Batch, 2>& parts) {
  return {shuffle<first_of_pairs>(parts[0], parts[1]), shuffle<last_of_pairs>(parts[0], parts[1])};
}

// Rows of any elements to floats, and back times a factor.
template <class E>
inline void widen_row(const E* from, std::int64_t dim, float* to) {
  std::int64_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) store(to + d, load(from + d));
  for (; d < dim; ++d) to[d] = to_float(from[d]);
}
template <class E>
inline void write_row(const float* from, std::int64_t dim, float factor, E* to) {
  std::int64_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) store(to + d, load(from + d) * Batch(factor));
  for (; d < dim; ++d) to[d] = round_to<E>(from[d] * factor);
}

}  // namespace
}  // namespace attn::ATTN_ISA
