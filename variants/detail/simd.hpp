// The vector type of the ISA that this file is compiled for. Written to xsimd 8.1: it has no best_arch, and newer
// releases dropped part of what it has.
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

inline Batch load(const float* p) { return Batch::load_unaligned(p); }
inline void store(float* p, const Batch& x) { x.store_unaligned(p); }

}  // namespace
}  // namespace attn::ATTN_ISA
