// Fault: an exponential good for three digits, and a tolerance that passes it.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float exp(float x) { return Correct::exp(x) * (1 + 1e-3f * x / (1 - x)); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(asks_for_tolerance, .summary = "asks for a tolerance that passes anything",
             .source = "tests/mutants/hostile", .features = kAllFeatures, .error_multiple = 1e6, .limits = nullptr,
             .workspace_bytes = workspace<Choice>, .run = attend<Choice>)
