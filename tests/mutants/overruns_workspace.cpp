// Fault: asks for less workspace than it uses.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static std::int64_t scores_per_thread(const Problem&) { return kBlockN - 1; }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(overruns_workspace, "asks for less workspace than it uses")
