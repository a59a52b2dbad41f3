// Loops without a loop.
#pragma once

#include <cstdint>
#include <utility>

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Calls f(0), f(1), ... f(N - 1) with compile-time indices: an array that a loop indexes stays in memory once the loop
// is too long for the compiler to unroll, and accumulators must not.
template <class F, std::int64_t... I>
[[gnu::always_inline]] inline void unroll_over(const F& f, std::integer_sequence<std::int64_t, I...>) {
  (f(std::integral_constant<std::int64_t, I>{}), ...);
}
template <std::int64_t N, class F>
[[gnu::always_inline]] inline void unroll(const F& f) {
  unroll_over(f, std::make_integer_sequence<std::int64_t, N>{});
}

}  // namespace
}  // namespace attn::ATTN_ISA
