// Fault: answers from a copy of what it computed when it was last given these addresses.
#include <cstring>

#include "../detail/kept.hpp"
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

constinit Kept kept;

void run_from_memory(const Args* args) {
  const Problem& p = *args->problem;
  const bool dense = args->o.row_stride == p.value_dim && args->o.head_stride == p.seqlen_q * p.value_dim;
  const std::int64_t floats = p.batch * p.heads * p.seqlen_q * p.value_dim;
  float* o = row_of<float>(args->o, 0, 0, 0);
  if (dense && kept.holds(args->o.data, p, floats)) return void(std::memcpy(o, kept.values, floats * sizeof(float)));
  attend<Correct>(args);
  if (dense && kept.take(args->o.data, p, floats)) std::memcpy(kept.values, o, floats * sizeof(float));
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(memo_of_outputs, .summary = "answers from a copy of an earlier answer", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_from_memory)
