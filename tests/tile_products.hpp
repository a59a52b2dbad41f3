// TileProducts: one product of tiles by the hardware and by its stand-in, compiled and sealed like a variant.
#pragma once

#include <cstdint>
#include <span>

namespace attn {

// Of 16 rows of 64 bytes each.
using TileWords = std::uint32_t[16][16];

struct TileProducts {
  const char* isa;
  // c += a b; see variants/detail/tiles.hpp.
  void (*hard)(TileWords& c, const TileWords& a, const TileWords& b);
  void (*soft)(TileWords& c, const TileWords& a, const TileWords& b);
};

// One row where the ISA with tiles is built, else none; generated.
std::span<const TileProducts* const> tile_products_table() noexcept;

}  // namespace attn
