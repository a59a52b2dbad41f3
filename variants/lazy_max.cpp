// Idea: a stale maximum is as good as the true one, since it cancels in the division at the end. Without waiting for
//   the maximum of a block, probabilities are taken from the accumulators, straight after Q K^T: scores are never
//   stored, and nothing is rescaled unless a lane outgrows its maximum by far.
// Differs from: base2_softmax, which stores scores, reads them for the maximum, reads and writes them for the
//   exponential, and rescales O in every block.
// Cost: one pass less over P^T in L1; 13 vector operations of softmax per 2 d + 2 dv multiply-adds.
// Numerics: as base2_softmax; probabilities up to 1024 before a rescale, exact in f32.
// Limits: none; with few queries most lanes idle.
// Source: lazy rescaling as in FlashAttention-4 (2025).
#include "detail/lazy_softmax.hpp"
#include "detail/tile_driver.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_lazy_max(const Args* args) {
  attend_tile_by_tile(*args, static_cast<float>(args->softmax_scale * kLog2E), kLn2,
                      []<std::int64_t kVectors>(const Rows& rows, QueryTile& tile, KeyRange block, float* probs) {
                        attend_block<kVectors>(rows, tile, block, probs);
                      });
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(lazy_max, .summary = "probabilities straight from the accumulators, against a stale maximum",
             .source = "FlashAttention-4 2025",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = tile_driver_workspace, .run = run_lazy_max)
