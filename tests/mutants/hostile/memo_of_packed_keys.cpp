// Fault: packs K once for each address, and takes it for packed when it sees the address again.
#include <cstring>

#include "../detail/kept.hpp"
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

constinit Kept kept;

void run_on_packed_keys(const Args* args) {
  const Problem& p = *args->problem;
  const std::int64_t floats = p.batch * p.kv_heads * p.seqlen_k * p.head_dim;
  if (!kept.holds(args->k.data, p, floats)) {
    if (!kept.take(args->k.data, p, floats)) return attend<Correct>(args);
    for (std::int64_t row = 0; row < p.batch * p.kv_heads * p.seqlen_k; ++row) {
      const std::int64_t head = row / p.seqlen_k;
      std::memcpy(kept.values + row * p.head_dim,
                  row_of<float>(args->k, head / p.kv_heads, head % p.kv_heads, row % p.seqlen_k),
                  p.head_dim * sizeof(float));
    }
  }
  Args packed = *args;
  packed.k = {kept.values, p.kv_heads * p.seqlen_k * p.head_dim, p.seqlen_k * p.head_dim, p.head_dim};
  attend<Correct>(&packed);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(memo_of_packed_keys, .summary = "packs the keys of an address once", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_on_packed_keys)
