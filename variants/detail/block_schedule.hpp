// The schedule of the kernels whose tiles share blocks of keys: a task is a block of rows of one kv head, whose tiles pass
// through a block of keys one after the other before the next.
#pragma once

#include <omp.h>

#include <algorithm>

#include "detail/query_tile.hpp"
#include "detail/schedule.hpp"

namespace attn::ATTN_ISA {
namespace {

// Keys of a block. K, then V: 64 x 64 x 4 = 16 KB each, beside P^T 64 x 48 x 4 = 12 KB and Q^T or O^T 12 KB (AVX-512).
inline constexpr std::int64_t kBlockN = 64;
// Tiles that pass through a block of keys before the next; their Q^T and O^T stay in half of an L2 of 1 MB.
inline constexpr std::int64_t kMaxTiles = 8;
inline constexpr std::int64_t kTilesBytes = 512 * 1024;

inline std::int64_t max_tiles(const Problem& p) {
  return std::clamp<std::int64_t>(kTilesBytes / (tile_floats(p) * static_cast<std::int64_t>(sizeof(float))), 1,
                                  kMaxTiles);
}

// Rows of K and V [begin, end) into L2. A tile fetches its share of the next block, so that the requests are spread.
template <class E>
void prefetch_keys(const Problem& p, const KeyRowsOf<E>& k, const KeyRowsOf<E>& v, std::int64_t begin,
                   std::int64_t end) {
  constexpr std::int64_t kLine = 64 / sizeof(E);
  const auto prefetch_row = [](const E* row, std::int64_t count) {
    for (std::int64_t d = 0; d < count; d += kLine) __builtin_prefetch(row + d, 0, 2);
  };
  for (std::int64_t key = begin; key < end; ++key) {
    prefetch_row(k[key], p.head_dim);
    prefetch_row(v[key], p.value_dim);
  }
}

// How the rows of a head are cut into tasks, and who works on them.
struct BlockSchedule {
  std::int64_t heads, rows, block_m, blocks;  // (batch, kv head) pairs; rows of one; rows and number of its blocks
  int team;
};

inline BlockSchedule make_schedule(const Problem& p, std::int64_t threads) {
  const std::int64_t heads = p.batch * p.kv_heads, rows = rows_of(p), tiles = ceil_div(rows, kTileWidth);
  std::int64_t tiles_per_block = max_tiles(p);
  const auto blocks = [&] { return ceil_div(tiles, tiles_per_block); };
  while (threads > 1 && tiles_per_block > 1 && heads * blocks() < kTasksPerThread * threads) --tiles_per_block;
  return {heads, rows, tiles_per_block * kTileWidth, blocks(),
          worthwhile_team(p, threads, heads * blocks(), 2 * (p.head_dim + p.value_dim))};
}

// Shares the rows of every kv head out over the team: attend_rows(rows, begin, end, scratch) computes rows [begin, end) of it,
// at most max_tiles tiles, in scratch_floats floats.
template <class AttendRows>
void attend_in_blocks(const Args& args, std::int64_t scratch_floats, const AttendRows& attend_rows) {
  const Problem& p = *args.problem;
  const std::int64_t group = group_of(p);
  const BlockSchedule s = make_schedule(p, args.threads);
#pragma omp parallel for num_threads(s.team) schedule(dynamic)
  for (std::int64_t task = 0; task < s.heads * s.blocks; ++task) {
    const std::int64_t head = task / s.blocks;
    const Rows rows{.args = args,
                    .b = head / p.kv_heads,
                    .first_head = head % p.kv_heads * group,
                    .group = group,
                    .k = {},
                    .v = {}};
    // The last block of a head first: under a causal mask it has the most keys.
    const std::int64_t begin = (s.blocks - 1 - task % s.blocks) * s.block_m;
    attend_rows(rows, begin, std::min(begin + s.block_m, s.rows),
                static_cast<float*>(args.workspace) + omp_get_thread_num() * scratch_floats);
  }
}

}  // namespace
}  // namespace attn::ATTN_ISA
