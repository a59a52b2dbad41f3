// Philox 4x32-10: a random generator without state. Four words from a counter and a key, so that every thread, tile and
// pass gets the same words for the same place, in any order.
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011), section 3.3.
#pragma once

#include <array>
#include <cstdint>

namespace attn {

// Replaces the counter's four words by the result's. Word is std::uint64_t or a vector of them, of which the low 32 bits
// count; what stands above them is ignored in the counter and undefined in the result. multiply(word, constant) is the
// product of the low halves in full.
template <class Word, class Multiply>
constexpr void philox(std::array<Word, 4>& x, std::uint64_t key, const Multiply& multiply) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const Word product0 = multiply(x[0], kMultiplier0), product1 = multiply(x[2], kMultiplier1);
    x[0] = (product1 >> 32) ^ x[1] ^ std::uint64_t{key0};
    x[1] = product1;
    x[2] = (product0 >> 32) ^ x[3] ^ std::uint64_t{key1};
    x[3] = product0;
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
}

// The same for one counter.
constexpr std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter, std::uint64_t key) {
  std::array<std::uint64_t, 4> x = {counter[0], counter[1], counter[2], counter[3]};
  philox(x, key, [](std::uint64_t word, std::uint32_t constant) { return (word & 0xffffffff) * constant; });
  return {static_cast<std::uint32_t>(x[0]), static_cast<std::uint32_t>(x[1]), static_cast<std::uint32_t>(x[2]),
          static_cast<std::uint32_t>(x[3])};
}

}  // namespace attn
