// Attention of a tile of queries over a block of keys with a lazy maximum: probabilities are computed from the scores
// in registers, against a row_max that may be stale. It is raised, and what was accumulated under it rescaled, only
// when a lane's probabilities outgrow kMaxTileSum. In f32 that is exact: the shift cancels in the division at the end.
#pragma once

#include "detail/drop.hpp"
#include "detail/exp2.hpp"
#include "detail/query_tile.hpp"

namespace attn::ATTN_ISA {
namespace {

// A sum of a tile's probabilities above this (or inf, or NaN) has a score of at least 7 over row_max, in log2 units.
// Well inside the range of f32, and far enough that normal scores, of deviation 1.4, almost never get there.
inline constexpr float kMaxTileSum = 1024;

// Probabilities of a tile against row_max into `probs`; returns their sums.
template <std::int64_t kRows, std::int64_t kVectors, bool kFinite>
[[gnu::always_inline]] inline LaneRow<kVectors> store_probs(const QueryTile& tile, const Tile<kRows, kVectors>& scores,
                                                            float* probs) {
  LaneRow<kVectors> sum;
  unroll<kVectors>([&](auto c) {
    const Batch row_max = load(tile.row_max + c * kLanes);
    unroll<kRows>([&](auto r) {
      const Batch exponent = scores[r][c] - row_max;
      const Batch prob = kFinite ? exp2_finite(exponent) : exp2(exponent);
      store(probs + (r * kVectors + c) * kLanes, prob);
      sum[c] = r == 0 ? prob : sum[c] + prob;
    });
  });
  return sum;
}

template <std::int64_t kVectors>
inline void add_to_row_sum(const QueryTile& tile, const LaneRow<kVectors>& sum) {
  unroll<kVectors>([&](auto c) {
    float* row_sum = tile.row_sum + c * kLanes;
    store(row_sum, load(row_sum) + sum[c]);
  });
}

// Probabilities of kRows keys against row_max as it is, straight from the accumulators. False, and row_sum untouched,
// when a lane has outgrown row_max. `j` is the first key relative to the block's part `keys`: as many rows of probs
// have been written. Infinite scores may come out as NaN, and so as false.
template <std::int64_t kRows, std::int64_t kVectors, bool kMasked>
[[gnu::noinline, gnu::flatten]] bool compute_probs(const Rows& rows, const QueryTile& tile, float* probs, KeyRange keys,
                                                   std::int64_t j) {
  Tile<kRows, kVectors> scores;
  compute_scores<kRows, kVectors>(rows, tile, keys.begin + j, scores);
  if constexpr (kMasked) hide_masked<kRows, kVectors>(tile, j, scores);
  const LaneRow<kVectors> sum = store_probs<kRows, kVectors, !kMasked>(tile, scores, probs + j * kVectors * kLanes);
  bool small = true;
  unroll<kVectors>([&](auto c) { small &= xsimd::all(sum[c] <= Batch(kMaxTileSum)); });
  if (small) add_to_row_sum<kVectors>(tile, sum);
  return small;
}

// The same, raising row_max over the scores first and rescaling what was accumulated under the old one. Takes any
// scores: NaN goes into its own lane.
template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::noinline, gnu::flatten]] void raise_and_compute_probs(const Rows& rows, QueryTile& tile, float* probs,
                                                             KeyRange keys, std::int64_t j, bool masked) {
  Tile<kRows, kVectors> scores;
  compute_scores<kRows, kVectors>(rows, tile, keys.begin + j, scores);
  if (masked) hide_masked<kRows, kVectors>(tile, j, scores);
  LaneRow<kVectors> factor;
  unroll<kVectors>([&](auto c) {
    const Batch old_max = load(tile.row_max + c * kLanes);
    Batch row_max = old_max;
    unroll<kRows>([&](auto r) { row_max = xsimd::max(row_max, scores[r][c]); });
    store(tile.row_max + c * kLanes, row_max);
    factor[c] = exp2(old_max - row_max);
  });
  if (tile.started) {
    scale_lanes<kVectors>(tile.row_sum, 1, factor);
    scale_lanes<kVectors>(tile.o, rows.args.problem->value_dim, factor);
    scale_lanes<kVectors>(probs, j, factor);
  }
  tile.started = true;
  add_to_row_sum<kVectors>(tile, store_probs<kRows, kVectors, false>(tile, scores, probs + j * kVectors * kLanes));
}

template <std::int64_t kRows, std::int64_t kVectors>
void attend_keys(const Rows& rows, QueryTile& tile, float* probs, KeyRange keys, std::int64_t j) {
  const bool masked = is_masked(tile, {keys.begin + j, keys.begin + j + kRows});
  if (tile.started) [[likely]] {
    const auto compute = masked ? compute_probs<kRows, kVectors, true> : compute_probs<kRows, kVectors, false>;
    if (compute(rows, tile, probs, keys, j)) [[likely]]
      return;
  }
  raise_and_compute_probs<kRows, kVectors>(rows, tile, probs, keys, j, masked);
}

// Adds the keys of a block; probs holds a row of lanes per key of the block.
template <std::int64_t kVectors, bool kDropout = false>
void attend_block(const Rows& rows, QueryTile& tile, KeyRange block, float* probs) {
  const KeyRange keys = clip(tile, block);
  if (keys.begin >= keys.end) return;
  if (is_masked(tile, keys)) find_visible_lanes(rows, tile, keys);
  for_each_tile(0, keys.end - keys.begin,
                [&]<std::int64_t kRows>(std::int64_t j) { attend_keys<kRows, kVectors>(rows, tile, probs, keys, j); });
  if constexpr (kDropout) drop_probs<kVectors>(rows, tile, keys, probs);
  accumulate_pv<kVectors>(rows, tile, probs, keys);
}

}  // namespace
}  // namespace attn::ATTN_ISA
