// amx_overlap on soft tiles, for machines with AVX-512 and no tile unit. Never in `list`: it is correct, not fast.
#include "detail/overlapped_phases.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_amx_soft(const Args* args) { attend_bf16<OverlappedPhases>(args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(amx_soft, .summary = "amx_overlap on tiles in plain C++", .source = "variants/amx_overlap.amx.cpp",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_BF16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = bf16_workspace, .run = run_amx_soft)
