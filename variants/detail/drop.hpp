// Dropout of the weights of a tile of queries, lanes = queries: the words of src/dropout.hpp for all lanes at once.
#pragma once

#include "detail/query_tile.hpp"
#include "dropout.hpp"

namespace attn::ATTN_ISA {
namespace {

// Half of the lanes, in 64 bits each: a register of the same width, in which Philox has its products in full.
inline constexpr std::int64_t kHalf = kLanes / 2;
using Wide [[gnu::vector_size(kHalf * 8)]] = std::uint64_t;

// The products of the low halves. xsimd has no such operation.
inline Wide multiply_low_halves(Wide x, std::uint32_t constant) {
  const Wide factor = Wide{} + constant;
#if defined(__AVX512F__)
  return reinterpret_cast<Wide>(_mm512_mul_epu32(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(factor)));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(factor)));
#elif defined(__SSE2__)
  return reinterpret_cast<Wide>(_mm_mul_epu32(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(factor)));
#else
  return (x & 0xffffffff) * factor;
#endif
}

// Calls f(j, lane, factors) for every key keys.begin + j and each kHalf lanes from `lane` on: what multiplies their weights.
template <std::int64_t kVectors, class F>
inline void for_each_factor(const Rows& rows, const QueryTile& tile, KeyRange keys, const F& f) {
  const Dropout drop = make_dropout(rows.args);
  std::int64_t query = rows.query(tile.first_row), head = rows.head(tile.first_row);
  for (std::int64_t half = 0; half < 2 * kVectors; ++half) {
    Wide queries, heads;
    for (std::int64_t i = 0; i < kHalf; ++i) {
      queries[i] = static_cast<std::uint64_t>(query);
      heads[i] = static_cast<std::uint64_t>(drop.first_head + head);
      if (++head == rows.first_head + rows.group) head = rows.first_head, ++query;
    }
    // Four keys share a counter.
    for (std::int64_t first = keys.begin / 4 * 4; first < keys.end; first += 4) {
      std::array<Wide, 4> words = {Wide{} + static_cast<std::uint64_t>(first / 4), queries, heads,
                                   Wide{} + static_cast<std::uint64_t>(rows.b)};
      philox(words, drop.seed, multiply_low_halves);
      for (std::int64_t key = std::max(first, keys.begin); key < std::min(first + 4, keys.end); ++key) {
        std::array<float, kHalf> factors;
        for (std::int64_t i = 0; i < kHalf; ++i)
          factors[i] = static_cast<std::uint32_t>(words[key - first][i]) >= drop.threshold ? drop.scale : 0.0f;
        f(key - keys.begin, half * kHalf, factors);
      }
    }
  }
}

// probs[j][lane] *= factor for the keys of a block.
template <std::int64_t kVectors>
[[gnu::noinline]] void drop_probs(const Rows& rows, const QueryTile& tile, KeyRange keys, float* probs) {
  for_each_factor<kVectors>(rows, tile, keys, [&](std::int64_t j, std::int64_t lane, const auto& factors) {
    float* lanes = probs + j * kVectors * kLanes + lane;
    for (std::int64_t i = 0; i < kHalf; ++i) lanes[i] *= factors[i];
  });
}

}  // namespace
}  // namespace attn::ATTN_ISA
