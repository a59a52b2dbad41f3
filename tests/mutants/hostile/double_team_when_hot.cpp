// Fault: takes a team of twice the threads that it was given, once it is past the calls in which it is checked.
#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

constexpr int kChecked = 8;
int calls = 0;

void run_with_help(const Args* args) {
  Args helped = *args;
  if (++calls > kChecked) helped.threads *= 2;
  attend<Correct>(&helped);
}

std::size_t workspace_of_two_teams(const Problem* p, std::int32_t threads) {
  return workspace<Correct>(p, 2 * threads);
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(double_team_when_hot, .summary = "takes twice the threads when it is timed",
             .source = "tests/mutants/hostile", .features = kAllFeatures, .error_multiple = 1, .limits = nullptr,
             .workspace_bytes = workspace_of_two_teams, .run = run_with_help)
