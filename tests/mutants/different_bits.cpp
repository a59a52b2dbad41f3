// Fault: every other call rounds differently, within any tolerance, as a sum does whose order is left to
// chance.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

bool odd_call = false;

struct Choice : Correct {
  static float inverse_sum(float row_sum) {
    const float inverse = Correct::inverse_sum(row_sum);
    return odd_call ? std::nextafter(inverse, 2.0f) : inverse;
  }
};

void run_alternating(const Args* args) {
  odd_call = !odd_call;
  attend<Choice>(args);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(different_bits, .summary = "every other call rounds differently", .source = "tests/mutants",
             .features = kAllFeatures, .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Choice>,
             .run = run_alternating)
