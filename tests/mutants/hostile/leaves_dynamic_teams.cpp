// Fault: leaves the runtime free to give others smaller teams.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  attend<Correct>(args);
  omp_set_dynamic(1);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(leaves_dynamic_teams, .summary = "leaves omp_set_dynamic(1) behind", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_badly)
