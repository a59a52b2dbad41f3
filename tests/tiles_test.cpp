// The stand-in for the tile unit against the unit itself.
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "catch.hpp"
#include "isa.hpp"
#include "tile_products.hpp"

namespace attn::test {
namespace {

// Two random bf16 whose exponents lie around `exponent`, or anywhere where `spread` is 8 bits.
std::uint32_t random_pair(std::mt19937& random, std::uint32_t exponent, std::uint32_t spread) {
  const auto half = [&] {
    const std::uint32_t bits = random();
    return (bits & 0x807f) | ((exponent + (bits >> 16 & ((1u << spread) - 1))) & 0xff) << 7;
  };
  return half() | half() << 16;
}

bool is_nan(std::uint32_t word) { return std::isnan(std::bit_cast<float>(word)); }

}  // namespace

TEST_CASE("products of soft tiles are the unit's bit for bit", "[tiles]") {
  // Around 1; where products are denormal; where operands are; where sums overflow; everything, NaN and infinity too.
  struct Range {
    std::uint32_t exponent, spread;
  };
  constexpr Range kRanges[] = {{124, 3}, {60, 3}, {56, 4}, {0, 2}, {188, 4}, {0, 8}};
  for (const TileProducts* row : tile_products_table()) {
    if (!runs_here(*parse_isa(row->isa))) continue;
    std::mt19937 random(1);
    for (const Range& range : kRanges)
      for (int repeat = 0; repeat < 500; ++repeat) {
        TileWords a, b, hard, soft;
        for (auto* tile : {&a, &b})
          for (auto& words : *tile)
            for (std::uint32_t& word : words) word = random_pair(random, range.exponent, range.spread);
        for (auto& words : hard)
          for (std::uint32_t& word : words)
            word = repeat % 2 == 0 ? 0 : random_pair(random, range.exponent, range.spread);
        std::memcpy(soft, hard, sizeof soft);
        row->hard(hard, a, b);
        row->soft(soft, a, b);
        int differing = 0;
        for (int i = 0; i < 16; ++i)
          for (int j = 0; j < 16; ++j)
            differing += hard[i][j] != soft[i][j] && !(is_nan(hard[i][j]) && is_nan(soft[i][j]));
        CAPTURE(range.exponent, range.spread, repeat);
        REQUIRE(differing == 0);
      }
  }
}

}  // namespace attn::test
