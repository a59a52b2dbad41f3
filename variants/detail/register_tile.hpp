// The register tile: kRows x kVectors accumulators that take in one row of broadcast scalars times one row of vectors
// per step. Lanes are queries, so that the same step serves K Q^T (scalars are keys) and V^T P^T (scalars are features).
#pragma once

#include <array>
#include <cstdint>

#include "detail/simd.hpp"
#include "detail/unroll.hpp"

namespace attn::ATTN_ISA {
namespace {

// The shape that fills the register file and covers an FMA latency of 4 on two ports (8 chains or more):
//   32 registers (AVX-512, AArch64)  8 x 3: 24 accumulators, 3 vectors, 1 scalar; 11 loads for 24 FMAs
//   16 registers (AVX2, SSE2)        4 x 3: 12 accumulators, 3 vectors, 1 scalar;  7 loads for 12 FMAs
// Sanitizers get the same code in small tiles: instrumented, the tuned ones take minutes of compilation per file.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::int64_t kTileRows = 2;
#elif defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::int64_t kTileRows = 8;
#else
inline constexpr std::int64_t kTileRows = 4;
#endif
inline constexpr std::int64_t kTileVectors = 3;

template <std::int64_t kVectors>
using LaneRow = std::array<Batch, kVectors>;
template <std::int64_t kRows, std::int64_t kVectors>
using Tile = std::array<LaneRow<kVectors>, kRows>;

// tile[r][lane] += sum over t < depth of a[r * row_stride + t * depth_stride] * b[t * b_stride + lane].
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::always_inline]] inline void multiply_tile(Tile<kRows, kVectors>& tile, const float* a, std::int64_t row_stride,
                                                 std::int64_t depth_stride, const float* b, std::int64_t depth,
                                                 std::int64_t b_stride = kVectors * kLanes) {
  for (std::int64_t t = 0; t < depth; ++t) {
    LaneRow<kVectors> lanes;
    unroll<kVectors>([&](auto c) { lanes[c] = load(b + c * kLanes); });
    unroll<kRows>([&](auto r) {
      const Batch scalar(a[r * row_stride]);
      unroll<kVectors>([&](auto c) { tile[r][c] = fma(scalar, lanes[c], tile[r][c]); });
    });
    a += depth_stride;
    b += b_stride;
  }
}

}  // namespace
}  // namespace attn::ATTN_ISA
