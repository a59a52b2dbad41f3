// dot_bf16 with its instruction in plain vectors, for machines without it. Never in `list`: it is correct, not fast.
#include "detail/dot_attention.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_dot_soft(const Args* args) { attend_by_pairs(args); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(dot_soft, .summary = "dot_bf16 on pairs in plain vectors", .source = "variants/dot_bf16.avx512bf16.cpp",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS |
                         ATTN_TAKES_BF16,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = pairs_workspace, .run = run_dot_soft)
