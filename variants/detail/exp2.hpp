// 2^x of a vector, at most 2 ulp from the exact value (tests/exp2_test.cpp walks over the floats), 2^0 exactly 1.
//   exp2: x >= 128: inf (from 127.5 where the ISA has no VSCALEFPS).  -inf: 0.  NaN: NaN.  Below 2^-126: perhaps flushed to 0.
//   exp2_finite: the same in fewer instructions; an infinite x may give NaN.
// Split x = n + f with n the nearest integer; a polynomial of degree 5 gives 2^f, the exponent field 2^n. The
// coefficients are minimax in ulp with the constant term held at 1, by linear programming over 4001 Chebyshev points,
// then a search among neighbouring floats with the rounding of every step counted, with FMA and without (SSE2).
#pragma once

#include <bit>
#include <cstdint>

#include "detail/simd.hpp"

namespace attn::ATTN_ISA {
namespace {

inline constexpr double kLog2E = 1.44269504088896340736;
inline constexpr float kLn2 = 0.693147180559945309417f;

// 2^f for |f| <= 1/2: a chain of five FMAs, of which callers have many in flight.
inline Batch exp2_fraction(const Batch& f) {
  Batch sum = fma(Batch(0.00132130133f), f, Batch(0.00967240334f));
  sum = fma(sum, f, Batch(0.0555092916f));
  sum = fma(sum, f, Batch(0.24022226f));
  sum = fma(sum, f, Batch(0.693146825f));
  return fma(sum, f, Batch(1.0f));
}

#if defined(__AVX512F__)

// VSCALEFPS multiplies by 2^n with overflow, underflow and infinities as they should be. VREDUCEPS would give f in one
// instruction, but on Zen 4 an instruction that takes its result waits for 20 cycles, others of its kind in line.
inline Batch exp2_finite(const Batch& x) {
  constexpr int kNearestExactly = 0x8;  // to nearest even, no fraction bits kept, precision exception suppressed
  const Batch n(_mm512_roundscale_ps(x, kNearestExactly));
  return _mm512_scalef_ps(exp2_fraction(x - n), n);
}

// MAXPS and MINPS return their second operand when either is NaN.
inline Batch exp2(const Batch& x) { return exp2_finite(xsimd::min(Batch(200.0f), xsimd::max(Batch(-200.0f), x))); }

#else

inline Batch exp2(const Batch& x) {
  // Adding 1.5 * 2^23 rounds to an integer that stands in the low bits of the sum; 127 makes it a biased exponent.
  const Batch kMagic(12582912.0f + 127.0f);
  // Between -127, whose biased exponent 0 makes the power 0, and 128, whose 255 makes it inf. x comes second because
  // MAXPS and MINPS return their second operand when either is NaN.
  const Batch clamped = xsimd::min(Batch(128.0f), xsimd::max(Batch(-127.0f), x));
  const Batch biased = clamped + kMagic;
  using Integers = xsimd::batch<std::int32_t, Arch>;
  const Batch power = std::bit_cast<Batch>(std::bit_cast<Integers>(biased) << 23);
  return exp2_fraction(clamped - (biased - kMagic)) * power;
}

inline Batch exp2_finite(const Batch& x) { return exp2(x); }

#endif

}  // namespace
}  // namespace attn::ATTN_ISA
