#include "tile_products.hpp"

#include "detail/tiles.hpp"

namespace attn::ATTN_ISA {
namespace {

template <class T>
void multiply(TileWords& c, const TileWords& a, const TileWords& b) {
  T tiles;
  order_memory();
  tiles.template load<0>(c);
  tiles.template load<4>(a);
  tiles.template load_streaming<6>(b);
  tiles.template multiply<0, 4, 6>();
  tiles.template store<0>(c);
  order_memory();
}

}  // namespace

extern const TileProducts tile_products;
constinit const TileProducts tile_products{
    .isa = ATTN_ISA_NAME, .hard = multiply<HardTiles>, .soft = multiply<SoftTiles>};
}  // namespace attn::ATTN_ISA
