// Fault: computes half of the rows in finish, where nobody times it.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void attend_rows(const Args* args, bool upper) {
  const Problem& p = *args->problem;
  const std::int64_t half = (p.seqlen_q + 1) / 2;
  for (std::int64_t bh = 0; bh < p.batch * p.heads; ++bh)
    for (std::int64_t i = upper ? half : 0; i < (upper ? p.seqlen_q : half); ++i)
      attend_row<Correct>(*args, bh / p.heads, bh % p.heads, i, static_cast<float*>(args->workspace));
}

void run_half(const Args* args) { attend_rows(args, false); }

void* prepare_nothing(const Args* args) { return args->workspace; }

void finish_half(const Args* args) { attend_rows(args, true); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(works_in_finish, .summary = "computes half of the rows in finish", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_half, .prepare = prepare_nothing, .finish = finish_half)
