// Transposition of kLanes x kLanes floats in registers: log2(kLanes) rounds of perfect shuffles.
#pragma once

#include <array>
#include <bit>

#include "detail/lanes.hpp"
#include "detail/register_tile.hpp"

namespace attn::ATTN_ISA {
namespace {

using Square = std::array<Batch, kLanes>;

// The lower halves of a and b in turn, a0 b0 a1 b1 ..., and the upper halves.
constexpr std::int64_t low_half(std::int64_t i) { return i / 2 + i % 2 * kLanes; }
constexpr std::int64_t high_half(std::int64_t i) { return low_half(i) + kLanes / 2; }

// rows[i][j] becomes rows[j][i]. Interleaving row i with row i + kLanes / 2 moves the top bit of the row number to the
// bottom of the column number; after log2(kLanes) rounds all bits have changed places.
inline void transpose(Square& rows) {
  constexpr std::int64_t kRounds = std::countr_zero(static_cast<std::uint64_t>(kLanes));
  unroll<kRounds>([&](auto) {
    const Square old = rows;
    unroll<kLanes / 2>([&](auto i) {
      rows[2 * i] = shuffle<low_half>(old[i], old[i + kLanes / 2]);
      rows[2 * i + 1] = shuffle<high_half>(old[i], old[i + kLanes / 2]);
    });
  });
}

}  // namespace
}  // namespace attn::ATTN_ISA
