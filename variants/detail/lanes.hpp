// Values that cross vector lanes, for kernels whose lanes are features or keys: sums over the lanes of several vectors
// at once, the largest and the sum of one vector's lanes. Written with __builtin_shufflevector (GCC 12, clang), which
// takes two vectors as xsimd 8.1 cannot and picks the instructions of each ISA.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "detail/simd.hpp"

namespace attn::ATTN_ISA {
namespace {

// Lane i of the result is lane kIndex(i) of a followed by b.
template <std::int64_t (*kIndex)(std::int64_t), std::size_t... kLane>
inline Batch shuffle(const Batch& a, const Batch& b, std::index_sequence<kLane...>) {
  using Register = typename Batch::register_type;
  return Batch(__builtin_shufflevector(static_cast<Register>(a), static_cast<Register>(b), kIndex(kLane)...));
}

template <std::int64_t (*kIndex)(std::int64_t)>
inline Batch shuffle(const Batch& a, const Batch& b) {
  return shuffle<kIndex>(a, b, std::make_index_sequence<kLanes>());
}

// A 128-bit quarter, half or whole of a vector: within it shuffles cost one cycle on every ISA, across it three.
inline constexpr std::int64_t kBlockLanes = 4;

// a0 b0 a1 b1 of every block, and a2 b2 a3 b3.
constexpr std::int64_t low_singles(std::int64_t i) { return i / 4 * 4 + i % 4 / 2 + i % 2 * kLanes; }
constexpr std::int64_t high_singles(std::int64_t i) { return low_singles(i) + 2; }
// a0 a1 b0 b1 of every block, and a2 a3 b2 b3.
constexpr std::int64_t low_pairs(std::int64_t i) { return i / 4 * 4 + i % 2 + i % 4 / 2 * kLanes; }
constexpr std::int64_t high_pairs(std::int64_t i) { return low_pairs(i) + 2; }
// The blocks of a and b with even number, and with odd.
constexpr std::int64_t even_blocks(std::int64_t i) { return i / 4 * 8 + i % 4; }
constexpr std::int64_t odd_blocks(std::int64_t i) { return even_blocks(i) + 4; }

// Sums over each block of several vectors, in two steps of three operations where one horizontal sum takes six. First
// for each pair of vectors: lanes 0 and 2 of every block hold halves of a's sum, lanes 1 and 3 of b's.
inline Batch sum_halves(const Batch& a, const Batch& b) {
  return shuffle<low_singles>(a, b) + shuffle<high_singles>(a, b);
}

// Then for two such pairs: lane i of every block is that block's sum of vector i, of four.
inline Batch sum_blocks(const Batch& first, const Batch& second) {
  return shuffle<low_pairs>(first, second) + shuffle<high_pairs>(first, second);
}

// Block b of the result is the sum of the blocks of x[b]: with x from sum_blocks, lane 4 b + i sums vector i of set b.
template <std::size_t kCount>
inline Batch add_blocks(const std::array<Batch, kCount>& x) {
  if constexpr (kCount == 1) {
    return x[0];
  } else {
    std::array<Batch, kCount / 2> sum;
    for (std::size_t i = 0; i < kCount / 2; ++i)
      sum[i] = shuffle<even_blocks>(x[2 * i], x[2 * i + 1]) + shuffle<odd_blocks>(x[2 * i], x[2 * i + 1]);
    return add_blocks(sum);
  }
}

inline Batch sum_blocks(const std::array<Batch, kBlockLanes>& x) {
  return sum_blocks(sum_halves(x[0], x[1]), sum_halves(x[2], x[3]));
}

template <std::int64_t kDistance>
constexpr std::int64_t rotated(std::int64_t i) {
  return (i + kDistance) % kLanes;
}

// Every lane holds the result of all lanes.
template <std::int64_t kDistance = kLanes / 2>
inline Batch max_of_lanes(const Batch& x) {
  const Batch larger = xsimd::max(x, shuffle<rotated<kDistance>>(x, x));
  if constexpr (kDistance == 1)
    return larger;
  else
    return max_of_lanes<kDistance / 2>(larger);
}

template <std::int64_t kDistance = kLanes / 2>
inline Batch sum_of_lanes(const Batch& x) {
  const Batch sum = x + shuffle<rotated<kDistance>>(x, x);
  if constexpr (kDistance == 1)
    return sum;
  else
    return sum_of_lanes<kDistance / 2>(sum);
}

}  // namespace
}  // namespace attn::ATTN_ISA
