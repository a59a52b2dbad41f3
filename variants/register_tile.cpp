// Idea: the register tile of matrix multiplication. 8 x 3 vectors of accumulators (4 x 3 with 16 registers) take in one
//   row of Q^T or P^T and eight broadcast scalars per step: 24 multiply-adds for 11 loads.
// Differs from: online_softmax, whose 4 x 2 tiles need 6 loads for 8 multiply-adds and keep 8 chains in flight, just
//   what two units of latency 4 want. Also transposes Q and O in registers, looks for values that are not finite
//   instead of masking every product, and narrows the last tile of a head to the vectors that it needs.
// Cost: as online_softmax; workspace per thread (d + dv + 64 + 4) x 3 vectors.
// Numerics: f32 FMA chains over d and over the keys; xsimd::exp, about 1 ulp.
// Limits: none; with few queries most lanes idle.
// Source: Goto, van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
#include "detail/block_softmax.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct NaturalExponential {
  static constexpr float kFromLn = 1;
  static Batch of(const Batch& x) { return xsimd::exp(x); }
};

void run_register_tile(const Args* args) { attend<NaturalExponential>(*args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(register_tile, .summary = "online softmax on 24 accumulators: 24 multiply-adds for 11 loads",
             .source = "Goto, van de Geijn 2008",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = tile_driver_workspace, .run = run_register_tile)
