// Element types: what q, k, v, o and their gradients may consist of; one row per dtype. lse is f32 whatever they are. k and
// v may also be of int8, which is no dtype of problems: its numbers mean nothing without their scale (quantisation.hpp).
// A 16-bit type holds its bits; arithmetic is done in float or double, to which every value converts exactly. Conversions
// to 16 bits round to nearest, ties to even, overflow to infinity and keep NaN; they do no more than rounding to nearest
// asks of the floating-point control, and nothing of its flushing bits where the result is normal.
//
// Source: bf16: Intel, "BFLOAT16 - Hardware Numerics Definition" (2018), without the flushing of denormals; f16: IEEE 754.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "attn_plugin.h"

namespace attn {

struct Bf16 {
  std::uint16_t bits;
};

struct F16 {
  std::uint16_t bits;
};

struct Int8 {
  std::int8_t value;
};

struct Element {
  std::int32_t dtype;  // attn_dtype, or kInt8Dtype
  const char* name;    // in text
  std::int64_t bytes;
  double eps;             // distance from 1 to the next number
  double largest;         // finite number
  double least_normal;    // positive number
  std::uint32_t poison;   // what outputs hold before a kernel runs: a NaN that no computation produces; its low bits
  std::uint64_t feature;  // that a kernel must declare; one that declares none of them takes f32
};

// By dtype. The poison of 16 bits, twice, is that of 32: a word of it is NaN in whatever type it is read.
inline constexpr std::array kElements = {
    Element{ATTN_F32, "f32", 4, 0x1p-23, 0x1.fffffep127, 0x1p-126, 0x7fd57fd5, ATTN_TAKES_F32},
    Element{ATTN_BF16, "bf16", 2, 0x1p-7, 0x1.fep127, 0x1p-126, 0x7fd5, ATTN_TAKES_BF16},
    Element{ATTN_F16, "f16", 2, 0x1p-10, 65504, 0x1p-14, 0x7fd5, ATTN_TAKES_F16},
};

// The dtype of a view of int8, beyond those of problems.
inline constexpr std::int32_t kInt8Dtype = 1 << 8;
inline constexpr Element kInt8Element = {kInt8Dtype, "int8", 1, 1, 127, 1, 0xd5, ATTN_TAKES_KV_INT8};

// Of a valid problem's dtype, or of a view's.
constexpr const Element& element_of(std::int32_t dtype) {
  return dtype == kInt8Dtype ? kInt8Element : kElements[static_cast<std::size_t>(dtype)];
}

constexpr bool is_dtype(std::int32_t dtype) {
  return dtype == kInt8Dtype || (dtype >= 0 && dtype < static_cast<std::int32_t>(kElements.size()));
}

template <class E>
inline constexpr std::int32_t kDtypeOf = std::is_same_v<std::remove_const_t<E>, Bf16>   ? std::int32_t{ATTN_BF16}
                                         : std::is_same_v<std::remove_const_t<E>, F16>  ? std::int32_t{ATTN_F16}
                                         : std::is_same_v<std::remove_const_t<E>, Int8> ? kInt8Dtype
                                                                                        : std::int32_t{ATTN_F32};

// f(E{}) for the E of a problem's valid dtype.
template <class F>
constexpr decltype(auto) with_element(std::int32_t dtype, F&& f) {
  switch (dtype) {
    case ATTN_BF16:
      return f(Bf16{});
    case ATTN_F16:
      return f(F16{});
    default:
      return f(float{});
  }
}

// The same for the dtype of a view.
template <class F>
constexpr decltype(auto) with_view_element(std::int32_t dtype, F&& f) {
  if (dtype == kInt8Dtype) return f(Int8{});
  return with_element(dtype, f);
}

constexpr float to_float(float x) { return x; }

constexpr float to_float(Int8 x) { return x.value; }

constexpr float to_float(Bf16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

constexpr float to_float(F16 x) {
  const std::uint32_t sign = std::uint32_t{x.bits} >> 15 << 31, magnitude = x.bits & 0x7fff;
  if (magnitude < 0x0400) {  // 0 and subnormal
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign == 0 ? value : -value;
  }
  const std::uint32_t exponent = magnitude >= 0x7c00 ? 0x70000000 : 0x38000000;  // infinity and NaN; normal
  return std::bit_cast<float>(sign | ((magnitude << 13) + exponent));
}

template <class E>
constexpr E round_to(float x);

template <>
constexpr float round_to<float>(float x) {
  return x;
}

template <>
constexpr Bf16 round_to<Bf16>(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <>
constexpr F16 round_to<F16>(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 31 << 15, magnitude = bits & 0x7fffffff;
  const auto with_sign = [&](std::uint32_t half) { return F16{static_cast<std::uint16_t>(sign | half)}; };
  if (magnitude > 0x7f800000) return with_sign(0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return with_sign(0x7c00);  // 65520 and more
  if (magnitude < 0x38800000)  // subnormal: the sum's last bit is worth 2^-24, the quantum of the result
    return with_sign(std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000);
  return with_sign((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

// To the nearest whole number, ties to even, and at most 127 from 0, so that every number has its negative. Not of NaN.
template <>
constexpr Int8 round_to<Int8>(float x) {
  constexpr float kMost = 127, kWhole = 0x1.8p23f;  // whose last bit is worth 1
  const float rounded = (x < -kMost ? -kMost : x > kMost ? kMost : x) + kWhole - kWhole;
  return {static_cast<std::int8_t>(rounded)};
}

// Rounds once: first to a float whose last bit tells of what was cut off ("to odd"), which has bits to spare.
template <class E>
constexpr E round_to(double x) {
  auto f = static_cast<float>(x);
  if constexpr (!std::is_same_v<E, float>) {
    const double back = f;
    if (back != x && x == x) {
      auto bits = std::bit_cast<std::uint32_t>(f);
      if ((back < 0 ? -back : back) > (x < 0 ? -x : x)) --bits;  // towards zero; infinity becomes the largest number
      f = std::bit_cast<float>(bits | 1);
    }
  }
  return round_to<E>(f);
}

// x with as many significant bits as E has, and the range of float: what keeping a number in E costs where its range is no
// matter. Of finite numbers.
template <class E>
constexpr float round_bits_to(float x) {
  constexpr std::uint32_t kDropped = std::is_same_v<E, Bf16> ? 16 : std::is_same_v<E, F16> ? 13 : 0;
  if constexpr (kDropped == 0) return x;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = bits + (std::uint32_t{1} << kDropped >> 1) - 1 + (bits >> kDropped & 1);
  return std::bit_cast<float>(rounded >> kDropped << kDropped);
}

// n elements of this type, widened or rounded.
template <class T>
void read_elements(std::int32_t dtype, const void* from, std::int64_t n, T* to) {
  with_view_element(dtype, [&]<class E>(E) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to_float(static_cast<const E*>(from)[i]));
  });
}

template <class T>
void write_elements(std::int32_t dtype, const T* from, std::int64_t n, void* to) {
  with_view_element(dtype, [&]<class E>(E) {
    for (std::int64_t i = 0; i < n; ++i) static_cast<E*>(to)[i] = round_to<E>(from[i]);
  });
}

}  // namespace attn
