// The vector type of the ISA that this file is compiled for, and what xsimd 8.1 to 14 spell differently or not at all:
// kernels that take it from here build with all of them. 8.1 has no best_arch.
#pragma once

#include <cstdint>
#include <xsimd/xsimd.hpp>

namespace attn::ATTN_ISA {
namespace {

#if defined(__AVX512BW__)
using Arch = xsimd::avx512bw;
#elif defined(__AVX2__)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(__x86_64__)
using Arch = xsimd::sse2;
#elif defined(__aarch64__)
using Arch = xsimd::neon64;
#endif

using Batch = xsimd::batch<float, Arch>;

inline constexpr std::int64_t kLanes = Batch::size;

// x * y + z. xsimd 8.1 has no FMA for AVX-512 and leaves the fusing of product and sum to the compiler; GCC does it,
// Clang does not.
inline Batch fma(const Batch& x, const Batch& y, const Batch& z) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(x, y, z);
#else
  return xsimd::fma(x, y, z);
#endif
}

// The sum of all lanes.
inline float reduce_add(const Batch& x) {
#if XSIMD_VERSION_MAJOR < 9
  return xsimd::hadd(x);
#else
  return xsimd::reduce_add(x);
#endif
}

inline Batch load(const float* p) { return Batch::load_unaligned(p); }
inline void store(float* p, const Batch& x) { x.store_unaligned(p); }

}  // namespace
}  // namespace attn::ATTN_ISA
