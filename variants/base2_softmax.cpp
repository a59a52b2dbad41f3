// Idea: softmax in base 2. log2(e) is folded into the scale of Q, and 2^x costs a polynomial of degree 5 and an
//   exponent field: 9 vector operations where xsimd::exp takes about 30, which also reduces its argument to base 2.
// Differs from: register_tile in the exponential alone.
// Cost: as register_tile.
// Numerics: scores in log2 units; exp2 of at most 2 ulp (detail/exp2.hpp), the row sum from the same probabilities.
// Limits: none; with few queries most lanes idle.
// Source: Dao, FlashAttention-2 (2023), section 3; Milakov, Gimelshein (2018).
#include "detail/block_softmax.hpp"
#include "detail/exp2.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

struct BinaryExponential {
  static constexpr float kFromLn = static_cast<float>(kLog2E);
  static Batch of(const Batch& x) { return exp2(x); }
};

void run_base2_softmax(const Args* args) { attend<BinaryExponential>(*args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(base2_softmax, .summary = "register_tile with 2^x: log2(e) in the scale of Q, a short polynomial",
             .source = "Dao 2023",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = tile_driver_workspace, .run = run_base2_softmax)
