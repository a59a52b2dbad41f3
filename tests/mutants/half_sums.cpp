// Fault: sums are kept in 16 bits.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  template <class E>
  static float sum(float x) {
    return to_float(round_to<E>(x));
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_sums, "keeps sums in 16 bits")
