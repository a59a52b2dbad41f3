// A tile of queries, lanes = queries, with the state of its online softmax; what the rungs from `register_tile` on
// share: packing Q^T, masks, P^T times V, and writing O.
//
// Rows: the query heads that read one kv head are taken together, heads fastest, so that row r is query r / group of
// head kv_head * group + r % group. Positions then grow with the row, and a group of heads fills lanes.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "detail/exact_row.hpp"
#include "detail/key_rows.hpp"
#include "detail/register_tile.hpp"
#include "detail/transpose.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr std::int64_t kTileWidth = kTileVectors * kLanes;
// row_max of a lane that has seen no key: finite, so that differences to it are no NaN, and below any score.
inline constexpr float kNoKey = -1e30f;

// The rows of one batch entry and kv head, and the rows of K and V that they meet, as floats.
struct Rows {
  const Args& args;
  std::int64_t b, first_head, group;
  KeyRows k, v;

  std::int64_t head(std::int64_t row) const { return first_head + row % group; }
  std::int64_t query(std::int64_t row) const { return row / group; }
  KeyRange keys(std::int64_t row) const { return visible_keys(*args.problem, query(row)); }
  template <class E = float>
  const E* q(std::int64_t row) const {
    return row_of<E>(args.q, b, head(row), query(row));
  }
  template <class E = float>
  E* o(std::int64_t row) const {
    return row_of<E>(args.o, b, head(row), query(row));
  }
  float& lse(std::int64_t row) const {
    return args.lse[(b * args.problem->heads + head(row)) * args.problem->seqlen_q + query(row)];
  }
};

// `count` query heads from `first_head` on, which read the same kv head.
inline Rows rows_of_heads(const Args& args, std::int64_t b, std::int64_t first_head, std::int64_t count) {
  const std::int64_t kv_head = kv_head_of(*args.problem, first_head);
  return {.args = args,
          .b = b,
          .first_head = first_head,
          .group = count,
          .k = {row_of<float>(args.k, b, kv_head, 0), args.k.row_stride, 0},
          .v = {row_of<float>(args.v, b, kv_head, 0), args.v.row_stride, 0}};
}

// The rows of K or V that these rows meet, as they lie in memory.
template <class E>
KeyRowsOf<E> key_rows(const Rows& rows, const attn_input& t) {
  return {row_of<E>(t, rows.b, kv_head_of(*rows.args.problem, rows.first_head), 0), t.row_stride, 0};
}

// Arrays of rows of `width` floats, one per lane.
struct QueryTile {
  std::int64_t first_row, rows;  // lanes from `rows` on idle
  std::int64_t width;            // kVectors * kLanes
  KeyRange some, all;            // keys that some lane sees; keys that every lane sees (may be empty or reversed)
  bool started;                  // whether row_max holds a score
  float* q;                      // [head_dim] Q^T, scaled
  float* o;                      // [value_dim] O^T, not yet normalised
  float* row_max;                // [1]
  float* row_sum;                // [1]
  float* first;                  // [1] the lane's visible keys in the current block, relative to its begin
  float* last;                   // [1]
};

inline std::int64_t tile_floats(const Problem& p) { return (p.head_dim + p.value_dim + 4) * kTileWidth; }

// Calls f.template operator()<kVectors>() for the tile's width.
template <class F>
void with_vectors(const QueryTile& tile, const F& f) {
  static_assert(kTileVectors == 3);
  if (tile.width == 3 * kLanes) return f.template operator()<3>();
  if (tile.width == 2 * kLanes) return f.template operator()<2>();
  f.template operator()<1>();
}

// Calls f.template operator()<kRows>(i) for tiles that cover [begin, end): whole ones, then halves of halves, so that
// every remainder runs on accumulators in registers.
template <std::int64_t kRows = kTileRows, class F>
void for_each_tile(std::int64_t begin, std::int64_t end, const F& f) {
  for (; begin + kRows <= end; begin += kRows) f.template operator()<kRows>(begin);
  if constexpr (kRows > 1) for_each_tile<kRows / 2>(begin, end, f);
}

// x[d][lane] = row(lane)[d] times `scale` for d < dim; zero in the tile's idle lanes.
template <class RowOf>
[[gnu::always_inline]] inline void pack_transposed(const QueryTile& tile, const RowOf& row, std::int64_t dim,
                                                   float scale, float* x) {
  for (std::int64_t lane = 0; lane < tile.width; lane += kLanes) {
    std::array<decltype(row(0)), kLanes> source;
    for (std::int64_t i = 0; i < kLanes; ++i) source[i] = row(std::min(lane + i, tile.rows - 1));
    const auto active = [&](std::int64_t i) { return lane + i < tile.rows; };
    std::int64_t d = 0;
    for (; d + kLanes <= dim; d += kLanes) {
      Square square;
      unroll<kLanes>([&](auto i) { square[i] = active(i) ? load(source[i] + d) * Batch(scale) : Batch(0.0f); });
      transpose(square);
      unroll<kLanes>([&](auto i) { store(x + (d + i) * tile.width + lane, square[i]); });
    }
    for (; d < dim; ++d)
      for (std::int64_t i = 0; i < kLanes; ++i)
        x[d * tile.width + lane + i] = active(i) ? to_float(source[i][d]) * scale : 0.0f;
  }
}

// Q^T times `scale`; zero in idle lanes.
template <class E>
[[gnu::flatten]] inline void pack_queries(const Rows& rows, const QueryTile& tile, float scale) {
  pack_transposed(
      tile, [&](std::int64_t lane) { return rows.q<E>(tile.first_row + lane); }, rows.args.problem->head_dim, scale,
      tile.q);
}

// A tile over rows [first_row, first_row + rows) that is ready for its first key once Q^T is packed; `scratch` holds
// tile_floats(problem).
inline QueryTile start_tile(const Rows& rows, std::int64_t first_row, std::int64_t count, float* scratch) {
  const Problem& p = *rows.args.problem;
  const std::int64_t width = (count + kLanes - 1) / kLanes * kLanes;
  const KeyRange low = rows.keys(first_row), high = rows.keys(first_row + count - 1);
  const auto take = [&](std::int64_t n) { return std::exchange(scratch, scratch + n * width); };
  QueryTile tile{.first_row = first_row,
                 .rows = count,
                 .width = width,
                 .some = {low.begin, high.end},
                 .all = {high.begin, low.end},
                 .started = false,
                 .q = take(p.head_dim),
                 .o = take(p.value_dim),
                 .row_max = take(1),
                 .row_sum = take(1),
                 .first = take(1),
                 .last = take(1)};
  std::fill(tile.o, tile.o + p.value_dim * width, 0.0f);
  std::fill(tile.row_max, tile.row_max + width, kNoKey);
  std::fill(tile.row_sum, tile.row_sum + width, 0.0f);
  return tile;
}

// The same with Q^T, times `scale`.
template <class E = float>
QueryTile make_tile(const Rows& rows, std::int64_t first_row, std::int64_t count, float scale, float* scratch) {
  const QueryTile tile = start_tile(rows, first_row, count, scratch);
  pack_queries<E>(rows, tile, scale);
  return tile;
}

// row(lane)[d] = factor * x[d][lane] for d < dim, factor(lane) holding those of kLanes lanes. Returns whether all products are finite, idle lanes included: a residue of x * 0 for each of a few chains, since
// the adds of one would wait for each other.
template <class RowOf, class FactorOf>
[[gnu::always_inline]] inline bool unpack_transposed(const QueryTile& tile, const float* x, std::int64_t dim,
                                                     const FactorOf& factor, const RowOf& row) {
  constexpr std::int64_t kChains = 4;
  std::array<Batch, kChains> residue;
  residue.fill(Batch(0.0f));
  const auto look = [&](std::int64_t i, const Batch& product) {
    residue[i % kChains] = fma(product, Batch(0.0f), residue[i % kChains]);
  };
  for (std::int64_t lane = 0; lane < tile.rows; lane += kLanes) {
    const Batch factors = factor(lane);
    const std::int64_t count = std::min(kLanes, tile.rows - lane);
    using Element = std::remove_pointer_t<decltype(row(0))>;
    std::array<Element*, kLanes> target;
    for (std::int64_t i = 0; i < count; ++i) target[i] = row(lane + i);
    std::int64_t d = 0;
    for (; d + kLanes <= dim; d += kLanes) {
      Square square;
      unroll<kLanes>([&](auto i) {
        square[i] = load(x + (d + i) * tile.width + lane) * factors;
        look(i, square[i]);
      });
      transpose(square);
      unroll<kLanes>([&](auto i) {
        if (i < count) store(target[i] + d, square[i]);
      });
    }
    for (; d < dim; ++d) {
      const Batch product = load(x + d * tile.width + lane) * factors;
      look(0, product);
      std::array<float, kLanes> value;
      store(value.data(), product);
      for (std::int64_t i = 0; i < count; ++i) target[i][d] = round_to<Element>(value[i]);
    }
  }
  const Batch sum = (residue[0] + residue[1]) + (residue[2] + residue[3]);
  return xsimd::all(sum == sum);
}

// O = O^T / row_sum, transposed back. `to_ln` turns units of row_max into natural logs. Rows that overflowed are mended, and
// rows without a sum, as those that saw no key: 0 / 0 is not finite either. The tile is looked at as a whole, for a look at
// each row costs a tile of 16 keys a tenth of its time.
template <class E = float>
[[gnu::flatten]] inline void write_output(const Rows& rows, const QueryTile& tile, float to_ln) {
  const auto inverse = [&](std::int64_t lane) { return Batch(Batch(1.0f) / load(tile.row_sum + lane)); };
  const bool finite = unpack_transposed(tile, tile.o, rows.args.problem->value_dim, inverse,
                                        [&](std::int64_t lane) { return rows.o<E>(tile.first_row + lane); });
  if (rows.args.lse != nullptr)
    for (std::int64_t i = 0; i < tile.rows; ++i)
      rows.lse(tile.first_row + i) = tile.row_max[i] * to_ln + std::log(tile.row_sum[i]);
  if (finite) [[likely]]
    return;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const std::int64_t row = tile.first_row + i;
    mend_row<E>(rows.args, rows.b, rows.head(row), rows.query(row), tile.row_sum[i]);
  }
}

// The part of a block of keys that some lane of the tile sees.
inline KeyRange clip(const QueryTile& tile, KeyRange block) {
  return {std::max(block.begin, tile.some.begin), std::min(block.end, tile.some.end)};
}

inline bool is_masked(const QueryTile& tile, KeyRange keys) {
  return keys.begin < tile.all.begin || keys.end > tile.all.end;
}

// Sets tile.first and tile.last for the keys [keys.begin, keys.end), a block short enough to count in floats.
inline void find_visible_lanes(const Rows& rows, const QueryTile& tile, KeyRange keys) {
  const auto relative = [&](std::int64_t key) {
    return static_cast<float>(std::clamp(key, keys.begin, keys.end) - keys.begin);
  };
  for (std::int64_t lane = 0; lane < tile.width; ++lane) {
    const KeyRange visible = rows.keys(tile.first_row + std::min(lane, tile.rows - 1));
    tile.first[lane] = relative(visible.begin);
    tile.last[lane] = relative(visible.end);
  }
}

// Whether key j of the block is visible to the lanes of vector c.
inline auto is_visible(const QueryTile& tile, std::int64_t j, std::int64_t c) {
  const Batch key(static_cast<float>(j));
  return (key >= load(tile.first + c * kLanes)) & (key < load(tile.last + c * kLanes));
}

// scores[r] = K[key + r] . Q^T
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::always_inline]] inline void compute_scores(const Rows& rows, const QueryTile& tile, std::int64_t key,
                                                  Tile<kRows, kVectors>& scores) {
  unroll<kRows>([&](auto r) { unroll<kVectors>([&](auto c) { scores[r][c] = Batch(0.0f); }); });
  multiply_tile<kRows, kVectors>(scores, rows.k[key], rows.k.stride, 1, tile.q, rows.args.problem->head_dim);
}

template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::always_inline]] inline void hide_masked(const QueryTile& tile, std::int64_t j, Tile<kRows, kVectors>& scores) {
  unroll<kRows>([&](auto r) {
    unroll<kVectors>(
        [&](auto c) { scores[r][c] = xsimd::select(is_visible(tile, j + r, c), scores[r][c], Batch(-kInfinity)); });
  });
}

// x[i][lane] *= factor[lane]
template <std::int64_t kVectors>
inline void scale_lanes(float* x, std::int64_t count, const LaneRow<kVectors>& factor) {
  for (std::int64_t i = 0; i < count; ++i)
    unroll<kVectors>([&](auto c) {
      float* lanes = x + (i * kVectors + c) * kLanes;
      store(lanes, load(lanes) * factor[c]);
    });
}

// O^T[d ... d + kRows) += V^T P^T over the keys.
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::noinline, gnu::flatten]] void value_tile(const KeyRows& v, float* output, const float* probs, KeyRange keys,
                                                std::int64_t d) {
  Tile<kRows, kVectors> o;
  float* target = output + d * kVectors * kLanes;
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { o[r][c] = load(target + (r * kVectors + c) * kLanes); }); });
  multiply_tile<kRows, kVectors>(o, v[keys.begin] + d, 1, v.stride, probs, keys.end - keys.begin);
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { store(target + (r * kVectors + c) * kLanes, o[r][c]); }); });
}

// Whether all of x[keys] is finite.
inline bool is_finite(const KeyRows& x, std::int64_t dim, KeyRange keys) {
  return is_finite(x[keys.begin], dim, x.stride, keys.end - keys.begin);
}

// The same as value_tile over all of value_dim, one pair after the other, leaving masked pairs out.
template <std::int64_t kVectors>
void accumulate_visible(const KeyRows& v, std::int64_t value_dim, const QueryTile& tile, const float* probs,
                        KeyRange keys, float* output) {
  for (std::int64_t key = keys.begin; key < keys.end; ++key)
    for (std::int64_t d = 0; d < value_dim; ++d)
      for (std::int64_t c = 0; c < kVectors; ++c) {
        float* o = output + (d * kVectors + c) * kLanes;
        const Batch prob = load(probs + ((key - keys.begin) * kVectors + c) * kLanes);
        const Batch sum = fma(Batch(v[key][d]), prob, load(o));
        store(o, xsimd::select(is_visible(tile, key - keys.begin, c), sum, load(o)));
      }
}

// output [value_dim], O^T say, += V^T P^T for the keys of a block, probs being [keys][lane], 0 where masked. 0 times a
// value that is not finite would put NaN into rows that do not see it; that is looked for first, since masking every
// product would slow down the blocks on the boundary of the mask.
template <std::int64_t kVectors>
void accumulate_pv(const KeyRows& v, std::int64_t value_dim, const QueryTile& tile, const float* probs, KeyRange keys,
                   float* output) {
  const KeyRange before{keys.begin, std::min(tile.all.begin, keys.end)};
  const KeyRange after{std::max(tile.all.end, keys.begin), keys.end};
  if (is_masked(tile, keys) && !(is_finite(v, value_dim, before) && is_finite(v, value_dim, after))) {
    accumulate_visible<kVectors>(v, value_dim, tile, probs, keys, output);
    return;
  }
  for_each_tile(0, value_dim,
                [&]<std::int64_t kRows>(std::int64_t d) { value_tile<kRows, kVectors>(v, output, probs, keys, d); });
}

template <std::int64_t kVectors>
void accumulate_pv(const Rows& rows, const QueryTile& tile, const float* probs, KeyRange keys) {
  accumulate_pv<kVectors>(rows.v, rows.args.problem->value_dim, tile, probs, keys, tile.o);
}

}  // namespace
}  // namespace attn::ATTN_ISA
