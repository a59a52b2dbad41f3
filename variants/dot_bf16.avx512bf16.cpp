// Idea: bf16 attention by VDPBF16PS, which multiplies two pairs of bf16 in each lane and adds them up in f32: where it has the
//   rate of the fused multiply-add, twice the work of it.
// Differs from: flash, which widens blocks of K and V to f32. Here they stay bf16: a register tile takes pairs of features of
//   K as they lie in memory, broadcast as 32 bits, and pairs of keys of V, interleaved once per block for up to 384 queries;
//   Q^T and P^T are packed in pairs to match.
// Cost: d + dv instructions of 16 lanes per pair of keys and 16 queries; 13 vector operations of softmax and 6 of rounding
//   per 16 scores. Workspace per thread: flash's tiles, a block of P^T, of V in pairs and perhaps of K.
// Numerics: f32 sums of bf16 products, denormals taken for 0; scores are scaled in f32; P in bf16, rounded to nearest; row sums
//   of P in f32. Rows whose o is tiny beside values below 2^-100 are computed again in plain f32, as are those that are not
//   finite; products of q and k that vanish as denormals are lost.
// Limits: bf16 only. On Intel's cores of the Sapphire Rapids kind the instruction has half the rate of the multiply-add, and
//   nothing is won.
// Source: Intel, "Architecture Instruction Set Extensions Programming Reference" (319433), VDPBF16PS; as flash otherwise.
#include "detail/dot_attention.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_dot_bf16(const Args* args) { attend_by_pairs(args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(dot_bf16, .summary = "flash on products of bf16 pairs (VDPBF16PS)",
             .source = "Intel ISE reference, VDPBF16PS; Dao et al. 2023",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_BF16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = pairs_workspace, .run = run_dot_bf16)
