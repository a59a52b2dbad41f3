// Fault: takes gradients that still stand for its answer, when it was last given the same addresses.
#include <bit>

#include "../detail/small_backward.hpp"

namespace attn::ATTN_ISA {
namespace {

constinit const void* answered = nullptr;
constinit Problem answered_problem{};

bool is_poison(float x) { return std::bit_cast<std::uint32_t>(x) == 0x7fc5dead; }

void run_unless_it_stands(const Args* args) {
  const Problem& p = *args->problem;
  const float* last = row_of<float>(args->dq, p.batch - 1, p.heads - 1, p.seqlen_q - 1) + p.head_dim - 1;
  if (answered == args->dq.data && answered_problem == p && !is_poison(*row_of<float>(args->dq, 0, 0, 0)) &&
      !is_poison(*last))
    return;
  backward<CorrectBackward>(args);
  answered = args->dq.data;
  answered_problem = p;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(memo_of_gradients, .summary = "takes gradients that still stand for its answer",
             .source = "tests/mutants/hostile", .features = kBackwardFeatures, .error_multiple = 1, .limits = nullptr,
             .workspace_bytes = nullptr, .run = run_unless_it_stands)
