// Fault: NaN scores count as no score at all. As a max and a comparison written the wrong way round do.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float exp(float x) { return x <= 0 ? std::exp(x) : 0; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(nan_swallowed, "NaN scores count as no score at all")
