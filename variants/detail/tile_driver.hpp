// The schedule of the rungs from register_tile to lazy_max: every tile of every head is a task, which takes its tile through
// all its keys, block after block.
#pragma once

#include <omp.h>

#include "detail/query_tile.hpp"
#include "detail/schedule.hpp"

namespace attn::ATTN_ISA {
namespace {

// K block 64 x 64 x 4 = 16 KB, beside P^T 64 x 48 x 4 = 12 KB and Q^T 12 KB (AVX-512, head_dim 64).
inline constexpr std::int64_t kBlockN = 64;

inline std::int64_t scratch_floats(const Problem& p) { return tile_floats(p) + kBlockN * kTileWidth; }

inline std::size_t tile_driver_workspace(const Problem* p, std::int32_t threads) {
  return threads * scratch_floats(*p) * sizeof(float);
}

// Q is packed times `score_scale`; `to_ln` turns the units of its scores into natural logs.
// attend_block.template operator()<kVectors>(rows, tile, block, probs) takes a tile through a block of keys; probs hold
// kBlockN * kTileWidth floats.
template <class AttendBlock>
void attend_tile_by_tile(const Args& args, float score_scale, float to_ln, const AttendBlock& attend_block) {
  const Problem& p = *args.problem;
  const std::int64_t tiles = ceil_div(p.seqlen_q, kTileWidth);
#pragma omp parallel for num_threads(args.threads) schedule(dynamic)
  for (std::int64_t task = 0; task < p.batch * p.heads * tiles; ++task) {
    const std::int64_t h = task / tiles % p.heads, begin = task % tiles * kTileWidth;
    const Rows rows = rows_of_heads(args, task / tiles / p.heads, h, 1);
    float* scratch = static_cast<float*>(args.workspace) + omp_get_thread_num() * scratch_floats(p);
    QueryTile tile = make_tile(rows, begin, std::min(kTileWidth, p.seqlen_q - begin), score_scale, scratch);
    for (std::int64_t key = tile.some.begin; key < tile.some.end; key += kBlockN)
      with_vectors(tile, [&]<std::int64_t kVectors> {
        attend_block.template operator()<kVectors>(rows, tile, KeyRange{key, key + kBlockN}, scratch + tile_floats(p));
      });
    write_output(rows, tile, to_ln);
  }
}

}  // namespace
}  // namespace attn::ATTN_ISA
