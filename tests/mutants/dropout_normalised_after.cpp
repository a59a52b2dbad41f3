// Fault: the sum counts kept weights only.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static float share(float prob, float factor) { return prob * factor; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropout_normalised_after, "the sum counts kept weights only")
