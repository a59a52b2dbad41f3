// Fault: keys before the window are multiplied by zero instead of left out.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visited(const Problem&, KeyRange visible) {
    return visible.begin < visible.end ? KeyRange{0, visible.end} : visible;
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(unseen_key_leaks, "keys before the window are multiplied by zero instead of left out")
