// Fault: all threads but the first do nothing.
#include "detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : CorrectBackward {
  static std::int64_t tasks(const Problem& p, int threads) { return p.batch * p.kv_heads / threads; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_BACKWARD_MUTANT(backward_one_thread_only, "all threads but the first do nothing")
