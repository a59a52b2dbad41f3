// Fault: leaves the unit that computes flushing denormals, for the oracle of the next problem too.
#include "../detail/small_kernel.hpp"
#include "float_control.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  set_float_control(float_control() | kFlushesDenormals);
  attend<Correct>(args);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(leaves_denormals_flushed, .summary = "leaves denormals flushed", .source = "tests/mutants/hostile",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>,
             .run = run_badly)
