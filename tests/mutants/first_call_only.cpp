// Fault: computes only when first called, as a kernel does that caches its result or its set-up.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

bool called = false;

void run_once(const Args* args) {
  if (!called) attend<Correct>(args);
  called = true;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(first_call_only, .summary = "computes only when first called", .source = "tests/mutants",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_once)
