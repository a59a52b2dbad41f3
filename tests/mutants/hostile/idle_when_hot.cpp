// Fault: computes nothing once it was called often: right when it is checked, idle in the timed loop. Only the check after
// the timing can tell.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

// More than calibration and the check before the timing need, fewer than the timed calls of a small problem.
constexpr int kBusyCalls = 50;
int calls = 0;

void run_while_cold(const Args* args) {
  if (calls < kBusyCalls) attend<Correct>(args), ++calls;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(idle_when_hot, .summary = "computes nothing after fifty calls", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_while_cold)
