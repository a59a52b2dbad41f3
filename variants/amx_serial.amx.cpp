// Idea: bf16 attention in the tile unit. S^T = K Q^T and O^T += V^T P^T are products of tiles, of which each takes 16 cycles
//   for 16 x 16 x 32 multiply-adds; between them stands the softmax of 32 keys in vector registers, lanes being queries.
// Differs from: flash, which has f32 products in vector registers. Here K and V^T are copied once per kv head into the
//   order in which tiles read them, for all heads of a group; scores reach the softmax by way of L1.
// Cost: 2 d + 2 dv FLOPs per visible pair, d and dv rounded up to 32, whole 32 x 32 squares on mask boundaries; about 14
//   cycles of softmax per 32 scores, after the products. K and V are read once to be packed, then from the copy once per
//   block of 32 queries, or per 8 of them where a head's copy exceeds L2. Workspace: the copies of as many heads as there
//   are threads, and per thread 8 blocks of Q^T and O^T.
// Numerics: f32 sums of bf16 products, denormals taken for 0; P in bf16, and row sums of the same P; exp2 of degree 3
//   (7.5e-5), of degree 5 where lse is asked for. Rows whose o is tiny beside values below 2^-100 are computed again in
//   plain f32, as are those that are not finite; products of q and k that vanish as denormals are lost.
// Limits: bf16 only.
// Source: Intel, "Architecture Instruction Set Extensions Programming Reference", TDPBF16PS; FlashAttention-4 (2025) for the
//   lazy rescaling.
#include "detail/serial_phases.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_amx_serial(const Args* args) { attend_bf16<SerialPhases>(args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(amx_serial, .summary = "bf16 products in the tile unit, softmax between them in vector registers",
             .source = "Intel ISE reference, TDPBF16PS; FlashAttention-4 2025",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_BF16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = bf16_workspace, .run = run_amx_serial)
