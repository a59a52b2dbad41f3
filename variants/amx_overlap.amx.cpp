// Idea: the tile unit and the vector ports at work together. Beside the softmax of 32 keys run the products of S^T of the
//   next 32 and a share of O^T += V^T P^T of the keys before: after each product its few softmax operations, in one stream.
// Differs from: amx_serial, which has the same products and the same softmax one after the other.
// Cost: as amx_serial; S^T is a ring of two steps, P^T of two items. Port 0 bounds it: a unit of 2 x 16 scores has about 12
//   cycles there, so 24 a product at d = 64, 12 at 128, 6 at 256, beside the product's own 16.
// Numerics: the same as amx_serial, bit for bit where both have the same steps.
// Limits: bf16 only.
// Source: FlashAttention-3 (2024), section 3.2, for the pipeline of softmax and products; Intel, "Architecture Instruction Set
//   Extensions Programming Reference", TDPBF16PS.
#include "detail/overlapped_phases.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_amx_overlap(const Args* args) { attend_bf16<OverlappedPhases>(args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(amx_overlap, .summary = "bf16 products of the next keys in the tile unit beside the softmax of these",
             .source = "FlashAttention-3 2024; Intel ISE reference, TDPBF16PS",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_BF16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = bf16_workspace, .run = run_amx_overlap)
