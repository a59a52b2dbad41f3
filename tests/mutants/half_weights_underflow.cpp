// Fault: weights of f16 vanish below 2^-24.
#include "detail/half_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Half {
  template <class E>
  static float weight(float prob) {
    return to_float(round_to<E>(prob));
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_HALF_MUTANT(half_weights_underflow, "keeps weights in f16, range and all")
