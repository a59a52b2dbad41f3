// Fault: allocates in every call, and never frees.
#include <cstdlib>

#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

void run_badly(const Args* args) {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  auto* scratch = static_cast<volatile char*>(std::malloc(kBytes));
  if (scratch != nullptr) *scratch = 1;
  attend<Correct>(args);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(leaks_memory, .summary = "leaks 1 MiB a call", .source = "tests/mutants/hostile", .features = kAllFeatures,
             .error_multiple = 1, .limits = nullptr, .workspace_bytes = workspace<Correct>, .run = run_badly)
