// Fault: ends its process, with the code of a success and without a word to anybody.
#include <unistd.h>

#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args*) { _exit(0); }

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(exits_at_once, .summary = "calls _exit(0)", .source = "tests/mutants/hostile", .features = kAllFeatures,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>, .run = run_badly)
