// Fault: leaves rounding towards zero behind, which loosens the yardstick of the next problem.
#include "../detail/small_kernel.hpp"
#include "float_control.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  attend<Correct>(args);
  set_float_control(float_control() | kRoundingMode);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(leaves_rounding_changed, .summary = "leaves another rounding behind", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_badly)
