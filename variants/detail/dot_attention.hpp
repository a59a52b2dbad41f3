// bf16 attention by products of pairs, see dot_bf16.avx512bf16.cpp. Lanes are queries; a tile of them passes through a block
// of keys, several tiles while the block is in cache, as in flash.
//   S^T = K Q^T      K as it lies in memory, two features a step; Q^T packed in pairs of features
//   O^T += V^T P^T   V in pairs of keys, packed once per block; P^T in pairs of keys, made from scores in registers
#pragma once

#include <algorithm>

#include "detail/bf16_pairs.hpp"
#include "detail/block_schedule.hpp"
#include "detail/exp2.hpp"
#include "detail/query_tile.hpp"

namespace attn::ATTN_ISA {
namespace {

// Of a tile's weights before its row_max is raised, as in lazy_softmax.hpp.
inline constexpr float kMaxPairSum = 1024;
// Products with values below kTinyValue vanish as denormals where they are not small beside o, which then is below kTinyOutput.
inline constexpr float kTinyValue = 0x1p-100f, kTinyOutput = 0x1p-90f;

// A block of keys, as tiles read it.
struct PairBlock {
  KeyRange keys;
  KeyRowsOf<Bf16> k;
  const Bf16* v_pairs;  // [pairs of keys][value_dim][2]
};

// Scores of kRows keys, scaled to log2 units.
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::always_inline]] inline void score_pairs(const Rows& rows, const QueryTile& tile, const PairBlock& block,
                                               std::int64_t key, Tile<kRows, kVectors>& scores) {
  const std::int64_t dim = rows.args.problem->head_dim, pairs = dim / 2;
  const Bf16* k = block.k[key];
  unroll<kRows>([&](auto r) { unroll<kVectors>([&](auto c) { scores[r][c] = Batch(0.0f); }); });
  multiply_pairs<kRows, kVectors>(scores, k, block.k.stride, 2, tile.q, pairs);
  if (dim % 2 != 0) {
    const float* last = tile.q + pairs * kVectors * kLanes;
    unroll<kRows>([&](auto r) {
      const Batch feature = broadcast_last(k + r * block.k.stride + dim - 1);
      unroll<kVectors>([&](auto c) { scores[r][c] = Dot::add(scores[r][c], feature, load(last + c * kLanes)); });
    });
  }
  const Batch scale(static_cast<float>(rows.args.softmax_scale * kLog2E));
  unroll<kRows>([&](auto r) { unroll<kVectors>([&](auto c) { scores[r][c] = scores[r][c] * scale; }); });
}

// Weights of kRows keys against row_max into pairs of keys from `probs` on; a last odd key has a 0 beside it. Their sums.
template <std::int64_t kRows, std::int64_t kVectors, bool kFinite>
[[gnu::always_inline]] inline LaneRow<kVectors> store_pairs(const QueryTile& tile, const Tile<kRows, kVectors>& scores,
                                                            float* probs) {
  LaneRow<kVectors> sum;
  unroll<kVectors>([&](auto c) {
    const Batch row_max = load(tile.row_max + c * kLanes);
    const auto weight = [&](std::int64_t r) __attribute__((always_inline)) {
      const Batch exponent = scores[r][c] - row_max;
      return kFinite ? exp2_finite(exponent) : exp2(exponent);
    };
    unroll<(kRows + 1) / 2>([&](auto pair) {
      const Batch first = weight(2 * pair);
      Batch second(0.0f), both = first;
      if constexpr (2 * pair + 1 < kRows) {
        second = weight(2 * pair + 1);
        both = first + second;
      }
      store(probs + (pair * kVectors + c) * kLanes, round_to_pair(first, second));
      sum[c] = pair == 0 ? both : sum[c] + both;
    });
  });
  return sum;
}

template <std::int64_t kVectors>
void add_sums(const QueryTile& tile, const LaneRow<kVectors>& sum) {
  unroll<kVectors>([&](auto c) { store(tile.row_sum + c * kLanes, load(tile.row_sum + c * kLanes) + sum[c]); });
}

// Weights of keys [keys.begin + j, + kRows) against row_max as it is; false when a lane has outgrown it. `probs` are those of
// keys.begin, and j is even.
template <std::int64_t kRows, std::int64_t kVectors, bool kMasked>
[[gnu::noinline, gnu::flatten]] bool weigh_pairs(const Rows& rows, const QueryTile& tile, const PairBlock& block,
                                                 float* probs, std::int64_t key, std::int64_t j) {
  Tile<kRows, kVectors> scores;
  score_pairs<kRows, kVectors>(rows, tile, block, key + j, scores);
  if constexpr (kMasked) hide_masked<kRows, kVectors>(tile, j, scores);
  const LaneRow<kVectors> sum = store_pairs<kRows, kVectors, !kMasked>(tile, scores, probs + j / 2 * kVectors * kLanes);
  bool small = true;
  unroll<kVectors>([&](auto c) { small &= xsimd::all(sum[c] <= Batch(kMaxPairSum)); });
  if (small) add_sums<kVectors>(tile, sum);
  return small;
}

// The same, raising row_max first, to a whole number: what was accumulated is rescaled by powers of 2, which change no bit of
// a bf16 but in its exponent.
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::noinline, gnu::flatten]] void raise_and_weigh_pairs(const Rows& rows, QueryTile& tile, const PairBlock& block,
                                                           float* probs, std::int64_t key, std::int64_t j,
                                                           bool masked) {
  Tile<kRows, kVectors> scores;
  score_pairs<kRows, kVectors>(rows, tile, block, key + j, scores);
  if (masked) hide_masked<kRows, kVectors>(tile, j, scores);
  LaneRow<kVectors> factor;
  unroll<kVectors>([&](auto c) {
    const Batch old_max = load(tile.row_max + c * kLanes);
    Batch row_max = old_max;
    unroll<kRows>([&](auto r) { row_max = xsimd::max(row_max, xsimd::ceil(scores[r][c])); });
    store(tile.row_max + c * kLanes, row_max);
    factor[c] = exp2(old_max - row_max);
  });
  if (tile.started) {
    scale_lanes<kVectors>(tile.row_sum, 1, factor);
    scale_lanes<kVectors>(tile.o, rows.args.problem->value_dim, factor);
    for (std::int64_t pair = 0; pair < j / 2; ++pair)
      unroll<kVectors>([&](auto c) {
        float* lanes = probs + (pair * kVectors + c) * kLanes;
        const Bits32 bits = as_bits(load(lanes));
        store(lanes, round_to_pair(as_floats(bits << 16) * factor[c], as_floats(bits & 0xffff0000u) * factor[c]));
      });
  }
  tile.started = true;
  add_sums<kVectors>(tile, store_pairs<kRows, kVectors, false>(tile, scores, probs + j / 2 * kVectors * kLanes));
}

template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::noinline, gnu::flatten]] void value_pairs(const Bf16* v_pairs, std::int64_t value_dim, float* output,
                                                 const float* probs, std::int64_t pairs, std::int64_t d) {
  Tile<kRows, kVectors> o;
  float* target = output + d * kVectors * kLanes;
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { o[r][c] = load(target + (r * kVectors + c) * kLanes); }); });
  multiply_pairs<kRows, kVectors>(o, v_pairs + 2 * d, 2, 2 * value_dim, probs, pairs);
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { store(target + (r * kVectors + c) * kLanes, o[r][c]); }); });
}

// One pair of query and key after the other, leaving masked ones out, of blocks whose hidden values are not finite.
template <std::int64_t kVectors>
[[gnu::noinline, gnu::cold]] void add_visible_values(const KeyRowsOf<Bf16>& v, std::int64_t value_dim,
                                                     const QueryTile& tile, const float* probs, KeyRange keys) {
  for (std::int64_t key = keys.begin; key < keys.end; ++key)
    for (std::int64_t c = 0; c < kVectors; ++c) {
      const std::int64_t j = key - keys.begin;
      const Bits32 bits = as_bits(load(probs + (j / 2 * kVectors + c) * kLanes));
      const Batch prob = as_floats(j % 2 == 0 ? bits << 16 : bits & 0xffff0000u);
      for (std::int64_t d = 0; d < value_dim; ++d) {
        float* o = tile.o + (d * kVectors + c) * kLanes;
        const Batch sum = fma(Batch(to_float(v[key][d])), prob, load(o));
        store(o, xsimd::select(is_visible(tile, j, c), sum, load(o)));
      }
    }
}

inline bool are_finite(const KeyRowsOf<Bf16>& x, std::int64_t dim, KeyRange keys) {
  for (std::int64_t key = keys.begin; key < keys.end; ++key)
    if (!is_finite(x[key], dim)) return false;
  return true;
}

template <std::int64_t kVectors>
void attend_pairs(const Rows& rows, const KeyRowsOf<Bf16>& v, QueryTile& tile, const PairBlock& block, float* probs) {
  const std::int64_t value_dim = rows.args.problem->value_dim;
  KeyRange keys = clip(tile, block.keys);
  if (keys.begin >= keys.end) return;
  // Pairs of keys are the block's.
  keys.begin -= (keys.begin - block.keys.begin) % 2;
  keys.end = std::min(keys.end + (keys.end - keys.begin) % 2, block.keys.end);
  const bool masked = is_masked(tile, keys);
  if (masked) find_visible_lanes(rows, tile, keys);
  for_each_tile(0, keys.end - keys.begin, [&]<std::int64_t kRows>(std::int64_t j) {
    const bool hides = is_masked(tile, {keys.begin + j, keys.begin + j + kRows});
    if (tile.started) [[likely]] {
      const auto weigh = hides ? weigh_pairs<kRows, kVectors, true> : weigh_pairs<kRows, kVectors, false>;
      if (weigh(rows, tile, block, probs, keys.begin, j)) [[likely]]
        return;
    }
    raise_and_weigh_pairs<kRows, kVectors>(rows, tile, block, probs, keys.begin, j, hides);
  });
  const KeyRange before{keys.begin, std::min(tile.all.begin, keys.end)};
  const KeyRange after{std::max(tile.all.end, keys.begin), keys.end};
  if (masked && !(are_finite(v, value_dim, before) && are_finite(v, value_dim, after))) [[unlikely]]
    return add_visible_values<kVectors>(v, value_dim, tile, probs, keys);
  const std::int64_t first = (keys.begin - block.keys.begin) / 2, pairs = pairs_of(keys.end - keys.begin);
  for_each_tile(0, value_dim, [&]<std::int64_t kRows>(std::int64_t d) {
    value_pairs<kRows, kVectors>(block.v_pairs + first * 2 * value_dim, value_dim, tile.o, probs, pairs, d);
  });
}

// Whether a value of these may be lost in products.
inline bool any_tiny(const Bf16* values, std::int64_t count) {
  bool tiny = false;
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = std::fabs(to_float(values[i]));
    tiny |= value != 0 && value < kTinyValue;
  }
  return tiny;
}

// Computes the rows of a tile again of which some of o is so small that much of it may have been lost.
[[gnu::cold]] inline void mend_tiny_rows(const Rows& rows, const QueryTile& tile) {
  const std::int64_t dim = rows.args.problem->value_dim;
  for (std::int64_t row = tile.first_row; row < tile.first_row + tile.rows; ++row) {
    const Bf16* o = rows.o<Bf16>(row);
    if (std::any_of(o, o + dim, [](Bf16 x) { return std::fabs(to_float(x)) < kTinyOutput; }))
      attend_row_exactly<Bf16>(rows.args, rows.b, rows.head(row), rows.query(row));
  }
}

// Scratch of a thread: tiles as in flash, P^T of a block, and in bf16 a copy of a block's keys and its values in pairs.
inline std::int64_t pair_scratch_floats(const Problem& p) {
  const std::int64_t copies = kBlockN / 2 * p.head_dim + kBlockN / 2 * p.value_dim;
  return max_tiles(p) * tile_floats(p) + kBlockN / 2 * kTileWidth + (copies + kLanes - 1) / kLanes * kLanes;
}

// Rows [begin, end) of a kv head, at most max_tiles tiles.
inline void attend_rows_by_pairs(const Rows& rows, std::int64_t begin, std::int64_t end, float* scratch) {
  const Problem& p = *rows.args.problem;
  std::array<QueryTile, kMaxTiles> tiles;
  std::int64_t count = 0;
  for (std::int64_t row = begin; row < end; row += kTileWidth, ++count) {
    QueryTile& tile = tiles[count];
    tile = start_tile(rows, row, std::min(kTileWidth, end - row), scratch + count * tile_floats(p));
    pack_pairs(
        tile.rows, tile.width, [&](std::int64_t lane) { return rows.q<Bf16>(tile.first_row + lane); }, p.head_dim,
        tile.q);
  }
  float* probs = scratch + max_tiles(p) * tile_floats(p);
  Bf16* k_copy = reinterpret_cast<Bf16*>(probs + kBlockN / 2 * kTileWidth);
  Bf16* v_pairs = k_copy + kBlockN * p.head_dim;
  const KeyRowsOf<Bf16> k = key_rows<Bf16>(rows, rows.args.k), v = key_rows<Bf16>(rows, rows.args.v);
  const std::int64_t share = ceil_div(kBlockN, count), last_key = tiles[count - 1].some.end;
  bool tiny = false;
  for (std::int64_t key = tiles[0].some.begin; key < last_key; key += kBlockN) {
    PairBlock block{.keys = {key, std::min(key + kBlockN, last_key)}, .k = {}, .v_pairs = v_pairs};
    block.k = without_collisions(k, block.keys, p.head_dim, k_copy);
    for (std::int64_t j = block.keys.begin; j < block.keys.end; j += 2) {
      interleave_rows(v[j], j + 1 < block.keys.end ? v[j + 1] : nullptr, p.value_dim,
                      v_pairs + (j - block.keys.begin) * p.value_dim);
      tiny |= any_tiny(v_pairs + (j - block.keys.begin) * p.value_dim, 2 * p.value_dim);
    }
    const std::int64_t next_end = std::min(block.keys.end + kBlockN, last_key);
    for (std::int64_t t = 0; t < count; ++t) {
      prefetch_keys(p, k, v, block.keys.end + t * share, std::min(block.keys.end + (t + 1) * share, next_end));
      with_vectors(tiles[t], [&]<std::int64_t kVectors> { attend_pairs<kVectors>(rows, v, tiles[t], block, probs); });
    }
  }
  for (std::int64_t t = 0; t < count; ++t) {
    write_output<Bf16>(rows, tiles[t], kLn2);
    if (tiny) [[unlikely]]
      mend_tiny_rows(rows, tiles[t]);
  }
}

inline void attend_by_pairs(const Args* args) {
  attend_in_blocks(*args, pair_scratch_floats(*args->problem), attend_rows_by_pairs);
}

inline std::size_t pairs_workspace(const Problem* p, std::int32_t threads) {
  return threads * pair_scratch_floats(*p) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA
