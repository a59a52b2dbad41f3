// Fault: keys that do not fill a group of 4 are dropped. One group always remains, so that no row becomes
// empty.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visited(const Problem&, KeyRange visible) {
    const std::int64_t count = visible.end - visible.begin;
    return {visible.begin, visible.begin + (count < 4 ? count : count / 4 * 4)};
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(dropped_tail, "keys that do not fill a group of 4 are dropped")
