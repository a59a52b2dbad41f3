// Attention of one tile of queries with the maximum kept exact: scores of a block of keys are stored, then their
// maximum, exponentials and sum taken, and everything rescaled once per block. The exponential is a parameter:
//   Batch Exponential::of(x)       base^x, 0 for -inf
//   float Exponential::kFromLn     factor from natural logarithms to logarithms of that base
#pragma once

#include "detail/tile_driver.hpp"

namespace attn::ATTN_ISA {
namespace {

template <std::int64_t kRows, std::int64_t kVectors>
[[gnu::noinline, gnu::flatten]] void score_tile(const Rows& rows, const QueryTile& tile, float* scores, KeyRange keys,
                                                std::int64_t j, bool masked) {
  Tile<kRows, kVectors> sum;
  compute_scores<kRows, kVectors>(rows, tile, keys.begin + j, sum);
  if (masked) hide_masked<kRows, kVectors>(tile, j, sum);
  unroll<kRows>(
      [&](auto r) { unroll<kVectors>([&](auto c) { store(scores + ((j + r) * kVectors + c) * kLanes, sum[r][c]); }); });
}

// Turns scores into probabilities; returns base^(old row_max - new row_max).
template <class Exponential, std::int64_t kVectors>
LaneRow<kVectors> update_softmax(const QueryTile& tile, float* scores, std::int64_t count) {
  LaneRow<kVectors> correction;
  for (std::int64_t c = 0; c < kVectors; ++c) {
    const std::int64_t lane = c * kLanes, stride = kVectors * kLanes;
    const Batch old_max = load(tile.row_max + lane);
    Batch row_max = old_max;
    for (std::int64_t j = 0; j < count; ++j) row_max = xsimd::max(row_max, load(scores + j * stride + lane));
    correction[c] = Exponential::of(old_max - row_max);
    Batch row_sum = load(tile.row_sum + lane) * correction[c];
    for (std::int64_t j = 0; j < count; ++j) {
      const Batch prob = Exponential::of(load(scores + j * stride + lane) - row_max);
      store(scores + j * stride + lane, prob);
      row_sum += prob;
    }
    store(tile.row_max + lane, row_max);
    store(tile.row_sum + lane, row_sum);
  }
  return correction;
}

template <class Exponential, std::int64_t kVectors>
void attend_block(const Rows& rows, const QueryTile& tile, KeyRange block, float* scores) {
  const KeyRange keys = clip(tile, block);
  const bool masked = is_masked(tile, keys);
  if (masked) find_visible_lanes(rows, tile, keys);
  for_each_tile(0, keys.end - keys.begin, [&]<std::int64_t kRows>(std::int64_t j) {
    score_tile<kRows, kVectors>(rows, tile, scores, keys, j, masked);
  });
  const LaneRow<kVectors> correction = update_softmax<Exponential, kVectors>(tile, scores, keys.end - keys.begin);
  scale_lanes<kVectors>(tile.o, rows.args.problem->value_dim, correction);
  accumulate_pv<kVectors>(rows, tile, scores, keys);
}

template <class Exponential>
void attend(const Args& args) {
  attend_tile_by_tile(args, args.softmax_scale * Exponential::kFromLn, 1 / Exponential::kFromLn,
                      []<std::int64_t kVectors>(const Rows& rows, QueryTile& tile, KeyRange block, float* scores) {
                        attend_block<Exponential, kVectors>(rows, tile, block, scores);
                      });
}

}  // namespace
}  // namespace attn::ATTN_ISA
