// Small helpers that several tests share.
#pragma once

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "isa.hpp"
#include "problem_text.hpp"
#include "registry.hpp"
#include "tensor.hpp"
#include "variant.hpp"

namespace attn::test {

// An ISA that runs wherever the tests run, and one that never does.
#if defined(__x86_64__)
inline constexpr const char* kBaselineIsa = "sse2";
inline constexpr const char* kForeignIsa = "neon64";
#else
inline constexpr const char* kBaselineIsa = "neon64";
inline constexpr const char* kForeignIsa = "sse2";
#endif

inline bool takes_f32(const Variant& v) { return declared_features(v) & ATTN_TAKES_F32; }

// The message with which f() refuses its input; empty when it accepts.
template <class F>
std::string rejection(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Calls f(float& element, b, h, i, d) for every element; in 16 bits and int8 with a float that is rounded back where f changed it.
template <class F>
void for_each_element(const TensorView& t, F&& f) {
  with_view_element(t.dtype, [&]<class E>(E) {
    for (std::int64_t b = 0; b < t.shape[0]; ++b)
      for (std::int64_t h = 0; h < t.shape[1]; ++h)
        for (std::int64_t i = 0; i < t.shape[2]; ++i)
          for (std::int64_t d = 0; d < t.shape[3]; ++d) {
            E& element = row_of<E>(t, b, h, i)[d];
            if constexpr (std::is_same_v<E, float>) {
              f(element, b, h, i, d);
            } else {
              const float before = to_float(element);
              float x = before;
              f(x, b, h, i, d);
              if (std::bit_cast<std::uint32_t>(x) != std::bit_cast<std::uint32_t>(before)) element = round_to<E>(x);
            }
          }
  });
}

// The same without a way to change it.
inline float element_at(const TensorView& t, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t d) {
  return with_view_element(t.dtype, [&]<class E>(E) { return to_float(row_of<E>(t, b, h, i)[d]); });
}

inline void set_element(const TensorView& t, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t d, float x) {
  with_view_element(t.dtype, [&]<class E>(E) { row_of<E>(t, b, h, i)[d] = round_to<E>(x); });
}

inline void set_all(const TensorView& t, float value) {
  for_each_element(t, [&](float& x, auto...) { x = value; });
}

// Copies values between tensors of one shape and any strides.
inline void copy_elements(const TensorView& from, const TensorView& to) {
  for_each_element(to, [&](float& x, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t d) {
    x = element_at(from, b, h, i, d);
  });
}

}  // namespace attn::test
