// Fault: query heads are dealt to kv heads in turn instead of in groups.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static std::int64_t kv_head(const Problem& p, std::int64_t h) { return h % p.kv_heads; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(wrong_kv_head, "query heads are dealt to kv heads in turn instead of in groups")
