// Fault: masked pairs are multiplied by zero instead of left out.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visited(const Problem& p, KeyRange visible) {
    return visible.begin < visible.end ? KeyRange{visible.begin, p.seqlen_k} : visible;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(masked_nan_leaks, "masked pairs are multiplied by zero instead of left out")
