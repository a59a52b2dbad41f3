// Fault: a query sees one key too many.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visible(const Problem& p, std::int64_t i) {
    const KeyRange keys = visible_keys(p, i);
    return {keys.begin, std::min(keys.end + 1, p.seqlen_k)};
  }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(mask_off_by_one, "a query sees one key too many")
