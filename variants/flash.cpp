// Idea: the forward pass near the limit of the FMA units. Scores, exp2 and probabilities of a register tile never leave
//   the registers before P^T is stored; many tiles of queries pass through a block of keys while it is in cache.
// Differs from: lazy_max, which takes one tile of one head through all keys. Here up to kMaxTiles tiles share every block
//   of K and V and prefetch the next one, the query heads of a group share tiles, rows that would collide in L1 are
//   copied, and the team takes blocks of queries, most keys first, head after head.
// Cost: 2 d + 2 dv FLOPs per visible pair, whole 8 x 16 lanes on mask boundaries; 13 vector operations of softmax per
//   2 d + 2 dv multiply-adds; K and V leave L3 once per 8 x 48 queries; workspace per thread at most 512 KB of tiles
//   (one tile if that is more), a block of P^T and a copy of a block of K and V.
//   Blocks of 16-bit K and V are widened once, for up to 384 queries: scores, probabilities and sums are those of f32.
// Numerics: f32 FMA chains over d and over the keys; exp2 of at most 2 ulp; a stale maximum, which cancels. In 16 bits o is
//   rounded once, at the end; probabilities are not rounded at all.
// Limits: none; single queries leave most lanes idle: split_kv.
// Rejected: 4 x 3 tiles (the same within noise); VREDUCEPS in exp2 (see there); the largest tasks of all heads before the
//   smaller ones (K and V of a head then come from L3 for every block of queries).
// Source: Dao et al., FlashAttention-2 (2023); lazy rescaling as in FlashAttention-4 (2025); tiles after Goto, van de
//   Geijn, "Anatomy of high-performance matrix multiplication" (2008).
#include <algorithm>

#include "detail/block_schedule.hpp"
#include "detail/lazy_softmax.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Tiles, P^T of a block, a copy of a block of K and V.
std::int64_t scratch_floats(const Problem& p) {
  return max_tiles(p) * tile_floats(p) + kBlockN * (kTileWidth + p.head_dim + p.value_dim);
}

// Rows [begin, end), at most max_tiles tiles.
template <class E, bool kDropout>
void attend_rows(const Rows& rows, std::int64_t begin, std::int64_t end, float* scratch) {
  const Problem& p = *rows.args.problem;
  std::array<QueryTile, kMaxTiles> tiles;
  std::int64_t count = 0;
  for (std::int64_t row = begin; row < end; row += kTileWidth, ++count)
    tiles[count] = make_tile<E>(rows, row, std::min(kTileWidth, end - row),
                                static_cast<float>(rows.args.softmax_scale * kLog2E), scratch + count * tile_floats(p));
  float* probs = scratch + max_tiles(p) * tile_floats(p);
  float* k_copy = probs + kBlockN * kTileWidth;
  const KeyRowsOf<E> k = key_rows<E>(rows, rows.args.k), v = key_rows<E>(rows, rows.args.v);
  Rows cached = rows;
  const std::int64_t share = (kBlockN + count - 1) / count;
  const std::int64_t last_key = tiles[count - 1].some.end;
  for (std::int64_t key = tiles[0].some.begin; key < last_key; key += kBlockN) {
    const KeyRange block{key, std::min(key + kBlockN, last_key)};
    const std::int64_t next_end = std::min(block.end + kBlockN, last_key);
    cached.k = readable(k, block, p.head_dim, k_copy);
    cached.v = readable(v, block, p.value_dim, k_copy + kBlockN * p.head_dim);
    for (std::int64_t t = 0; t < count; ++t) {
      prefetch_keys(p, k, v, block.end + t * share, std::min(block.end + (t + 1) * share, next_end));
      with_vectors(tiles[t],
                   [&]<std::int64_t kVectors> { attend_block<kVectors, kDropout>(cached, tiles[t], block, probs); });
    }
  }
  for (std::int64_t t = 0; t < count; ++t) write_output<E>(rows, tiles[t], kLn2);
}

void run_flash(const Args* args) {
  with_element(args->problem->dtype, [&]<class E>(E) {
    const auto attend = args->problem->dropout > 0 ? attend_rows<E, true> : attend_rows<E, false>;
    attend_in_blocks(*args, scratch_floats(*args->problem), attend);
  });
}

std::size_t flash_workspace(const Problem* p, std::int32_t threads) {
  return threads * scratch_floats(*p) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(flash, .summary = "tiles of queries share cached key blocks; scores to probabilities in registers",
             .source = "Dao et al. 2023; Goto, van de Geijn 2008",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_DROPOUT | ATTN_TAKES_F32 | ATTN_TAKES_BF16 | ATTN_TAKES_F16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = flash_workspace, .run = run_flash)
