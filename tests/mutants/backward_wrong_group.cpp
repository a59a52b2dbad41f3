// Fault: dk and dv go to kv heads dealt in turn instead of in groups.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static std::int64_t kv_head_of_gradient(const Problem& p, std::int64_t h) { return h % p.kv_heads; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_wrong_group, "dk and dv go to kv heads dealt in turn instead of in groups")
