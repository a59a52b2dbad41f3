// Idea: a stale maximum is as good as the true one, since it cancels in the division at the end. Without waiting for
//   the maximum of a block, probabilities are taken from the accumulators, straight after Q K^T: scores are never
//   stored, and nothing is rescaled unless a lane outgrows its maximum by far.
// Differs from: base2_softmax, which stores scores, reads them for the maximum, reads and writes them for the
//   exponential, and rescales O in every block.
// Cost: one pass less over P^T in L1; 13 vector operations of softmax per 2 d + 2 dv multiply-adds.
// Numerics: as base2_softmax; probabilities up to 1024 before a rescale, exact in f32.
// Limits: none; with few queries most lanes idle.
// Source: lazy rescaling as in FlashAttention-4 (2025).
#include <omp.h>

#include "detail/lazy_softmax.hpp"
#include "detail/schedule.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// As in block_softmax.hpp: K 16 KB, P^T 12 KB, Q^T 12 KB (AVX-512, head_dim 64).
inline constexpr std::int64_t kBlockN = 64;

std::int64_t scratch_floats(const Problem& p) { return tile_floats(p) + kBlockN * kTileWidth; }

// Every tile of every head; a tile goes through all its keys.
void run_lazy_max(const Args* args) {
  const Problem& p = *args->problem;
  const std::int64_t tiles = ceil_div(p.seqlen_q, kTileWidth);
#pragma omp parallel for num_threads(args->threads) schedule(dynamic)
  for (std::int64_t task = 0; task < p.batch * p.heads * tiles; ++task) {
    const std::int64_t h = task / tiles % p.heads, begin = task % tiles * kTileWidth;
    const Rows rows = rows_of_heads(*args, task / tiles / p.heads, h, 1);
    float* scratch = static_cast<float*>(args->workspace) + omp_get_thread_num() * scratch_floats(p);
    QueryTile tile = make_tile(rows, begin, std::min(kTileWidth, p.seqlen_q - begin),
                               static_cast<float>(args->softmax_scale * kLog2E), scratch);
    for (std::int64_t key = tile.some.begin; key < tile.some.end; key += kBlockN)
      with_vectors(tile, [&]<std::int64_t kVectors> {
        attend_block<kVectors>(rows, tile, {key, key + kBlockN}, scratch + tile_floats(p));
      });
    write_output(rows, tile, kLn2);
  }
}

std::size_t lazy_max_workspace(const Problem* p, std::int32_t threads) {
  return threads * scratch_floats(*p) * sizeof(float);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(lazy_max, .summary = "probabilities straight from the accumulators, against a stale maximum",
             .source = "FlashAttention-4 2025",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = lazy_max_workspace, .run = run_lazy_max)
