// bf16 attention on tiles, the products: streams of quads, 2 x 2 products of one step along the sum, that take in a square
// of 32 x 32 sums in tiles 0 to 3. Between the products of a quad stand units of softmax, in the kernels that overlap both.
//   S^T of a step:             one square, a quad per group of head_dim
//   O^T += V^T P^T of an item: a square per group of value_dim, a quad per step
//
// Order: A0 B0, A0 B1, A1 B1, A1 B0, and the mirror image in the next quad, so that each operand's tile is loaded again
// right after its last use and one or two products before its next. A square is stored when its tiles are wanted for the
// next one, since a store waits for the product before it.
#pragma once

#include "detail/bf16_softmax.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Operands {
  const Bf16 *a = nullptr, *b = nullptr;
};

// What a square starts from.
enum class Open { no, from_zero, from_memory };

struct Square32 {
  Operands first;
  std::int64_t quads = 0;
  float* target = nullptr;
};

// The products of a step: S^T of one step, and groups of O^T of one item. Either may be absent (quads and count of 0).
struct Products {
  Square32 scores;
  Square32 values;  // the first group
  std::int64_t value_groups = 0, value_stride = 0;
  bool add_values = false;  // to what O^T holds already
  Operands next;            // of the products that will follow; null where they are not known

  Operands first() const { return scores.quads > 0 ? scores.first : values.first; }
  std::int64_t quads() const { return scores.quads + value_groups * values.quads; }
};

// The units that are computed between products.
struct Units {
  const float* scores = nullptr;
  Bf16* probs = nullptr;
  std::int64_t pairs = 0;
};

// What the tile registers hold between two streams of products.
struct TileState {
  float* pending;  // where tiles 0 to 3 belong
  Operands held;   // in tiles 4 to 7
  bool odd = false;
};

constexpr std::int64_t square_offset(int tile) { return tile / 2 * 16 * kSide + tile % 2 * kLanes; }

template <int kTile>
[[gnu::always_inline]] inline void store_pending(Tiles& tiles, const TileState& state) {
  tiles.store<kTile>(state.pending + square_offset(kTile), kSquareStride);
}

inline void flush(Tiles& tiles, TileState& state, float* nowhere) {
  store_pending<0>(tiles, state);
  store_pending<1>(tiles, state);
  store_pending<2>(tiles, state);
  store_pending<3>(tiles, state);
  order_memory();
  state.pending = nowhere;
}

inline void load_operands(Tiles& tiles, TileState& state, const Operands& operands) {
  order_memory();
  tiles.load_streaming<4>(operands.a);
  tiles.load_streaming<5>(operands.a + kQuad / 2);
  tiles.load<6>(operands.b);
  tiles.load<7>(operands.b + kQuad / 2);
  state.held = operands;
}

template <int kTile, Open kOpen>
[[gnu::always_inline]] inline void open_tile(Tiles& tiles, const TileState& state, const float* target) {
  if constexpr (kOpen == Open::no) return;
  store_pending<kTile>(tiles, state);
  if constexpr (kOpen == Open::from_zero) tiles.zero<kTile>();
  if constexpr (kOpen == Open::from_memory) tiles.load<kTile>(target + square_offset(kTile), kSquareStride);
}

// Units [kFirst, kEnd) of a quad's.
template <int kFirst, int kEnd, bool kLse>
[[gnu::always_inline]] inline void compute_units(const Units& units, Lanes& lanes) {
  if constexpr (kFirst < kEnd) {
    compute_unit<kFirst % 2, kLse>(units.scores + kFirst / 2 * 2 * kSide, units.probs + kFirst / 2 * kSide, lanes);
    compute_units<kFirst + 1, kEnd, kLse>(units, lanes);
  }
}

inline constexpr int kOrder[2][4] = {{0, 1, 3, 2}, {1, 0, 2, 3}};

// Product kT of four, what it leaves room for in the operands' tiles, and its share of 2 kPairs units.
template <int kT, int kPairs, bool kLse, Open kOpen, bool kOdd>
[[gnu::always_inline]] inline void multiply_and_compute(Tiles& tiles, const TileState& state, const Operands& next,
                                                        const float* target, const Units& units, Lanes& lanes) {
  constexpr int kTile = kOrder[kOdd][kT], kFreedB = kOdd ? 6 : 7;
  if constexpr (kT == 0) open_tile<kTile, kOpen>(tiles, state, target);
  if constexpr (kT < 3) open_tile<kOrder[kOdd][kT + 1], kOpen>(tiles, state, target);
  tiles.multiply<kTile, 4 + kTile / 2, 6 + kTile % 2>();
  if constexpr (kT == 1) tiles.load_streaming<4>(next.a);
  if constexpr (kT == 2) tiles.load<kFreedB>(next.b + (kFreedB - 6) * kQuad / 2);
  if constexpr (kT == 3) {
    tiles.load<13 - kFreedB>(next.b + (7 - kFreedB) * kQuad / 2);
    tiles.load_streaming<5>(next.a + kQuad / 2);
  }
  compute_units<kT * 2 * kPairs / 4, (kT + 1) * 2 * kPairs / 4, kLse>(units, lanes);
}

template <int kPairs, bool kLse, Open kOpen, bool kOdd>
[[gnu::always_inline]] inline void compute_quad(Tiles& tiles, const TileState& state, const Operands& next,
                                                const float* target, const Units& units, Lanes& lanes) {
  multiply_and_compute<0, kPairs, kLse, kOpen, kOdd>(tiles, state, next, target, units, lanes);
  multiply_and_compute<1, kPairs, kLse, kOpen, kOdd>(tiles, state, next, target, units, lanes);
  multiply_and_compute<2, kPairs, kLse, kOpen, kOdd>(tiles, state, next, target, units, lanes);
  multiply_and_compute<3, kPairs, kLse, kOpen, kOdd>(tiles, state, next, target, units, lanes);
}

template <int kPairs, bool kLse, Open kOpen>
[[gnu::always_inline]] inline void compute_quad(Tiles& tiles, TileState& state, const Operands& next, float* target,
                                                Units& units, Lanes& lanes) {
  if (units.pairs >= kPairs) {
    if (state.odd)
      compute_quad<kPairs, kLse, kOpen, true>(tiles, state, next, target, units, lanes);
    else
      compute_quad<kPairs, kLse, kOpen, false>(tiles, state, next, target, units, lanes);
    units.scores += 2 * kPairs * kSide;
    units.probs += kPairs * kSide;
    units.pairs -= kPairs;
  } else {
    if (state.odd)
      compute_quad<0, kLse, kOpen, true>(tiles, state, next, target, units, lanes);
    else
      compute_quad<0, kLse, kOpen, false>(tiles, state, next, target, units, lanes);
  }
  state.odd = !state.odd;
  state.held = next;
}

// One square; the operands of the quad after it are loaded on the way.
template <int kPairs, bool kLse, Open kOpen>
[[gnu::always_inline]] inline void compute_square(Tiles& tiles, TileState& state, const Square32& square, Operands next,
                                                  Units& units, Lanes& lanes) {
  Operands operands = square.first;
  for (std::int64_t quad = 0; quad < square.quads; ++quad) {
    operands = {operands.a + kQuad, operands.b + kQuad};
    const Operands& following = quad + 1 < square.quads ? operands : next;
    if (quad == 0)
      compute_quad<kPairs, kLse, kOpen>(tiles, state, following, square.target, units, lanes);
    else
      compute_quad<kPairs, kLse, Open::no>(tiles, state, following, square.target, units, lanes);
  }
  state.pending = square.target;
}

// All products, at least one quad, with kPairs pairs of units in each quad as long as there are any, the rest of the units at the end.
template <int kPairs, bool kLse>
[[gnu::noinline]] void compute_products(Tiles& tiles, TileState& tile_state, const Products& products, Units units,
                                        Lanes& all_lanes) {
  TileState state = tile_state;
  Lanes lanes = all_lanes;
  order_memory();
  if (products.first().a != state.held.a || products.first().b != state.held.b)
    load_operands(tiles, state, products.first());
  const Operands last = products.next.a != nullptr ? products.next : products.first();
  Square32 values = products.values;
  if (products.scores.quads > 0)
    compute_square<kPairs, kLse, Open::from_zero>(tiles, state, products.scores,
                                                  products.value_groups > 0 ? values.first : last, units, lanes);
  for (std::int64_t group = 0; group < products.value_groups; ++group) {
    const Operands next_group{values.first.a + products.value_stride, values.first.b};
    const Operands next = group + 1 < products.value_groups ? next_group : last;
    if (products.add_values)
      compute_square<kPairs, kLse, Open::from_memory>(tiles, state, values, next, units, lanes);
    else
      compute_square<kPairs, kLse, Open::from_zero>(tiles, state, values, next, units, lanes);
    values.first = next_group;
    values.target += kSquareFloats;
  }
  for (; units.pairs > 0; --units.pairs, units.scores += 2 * kSide, units.probs += kSide)
    compute_units<0, 2, kLse>(units, lanes);
  order_memory();
  all_lanes = lanes;
  tile_state = state;
}

// The same without units.
inline void compute_products(Tiles& tiles, TileState& state, const Products& products) {
  Lanes none;
  if (products.quads() == 0) return;
  compute_products<0, false>(tiles, state, products, {}, none);
}

}  // namespace
}  // namespace attn::ATTN_ISA
