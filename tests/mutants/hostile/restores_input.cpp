// Fault: uses an input as scratch and restores it before it returns.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  auto* scratch = const_cast<volatile float*>(row_of<float>(args->k, 0, 0, 0));
  const float kept = *scratch;
  *scratch = 0;
  *scratch = kept;
  attend<Correct>(args);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(restores_input, .summary = "writes to an input and restores it", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_badly)
