// Fault: takes an output that still stands for its answer: a mark in its workspace and an o that holds no poison tell it
// that it was here before.
#include <bit>
#include <cstring>

#include "../detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

constexpr std::uint64_t kMark = 0x6b6570742068657c;

bool is_poison(float x) { return std::bit_cast<std::uint32_t>(x) == 0x7fc5dead; }

void run_unless_it_stands(const Args* args) {
  const Problem& p = *args->problem;
  auto* mark = static_cast<std::byte*>(args->workspace) + workspace<Correct>(&p, args->threads);
  const float* last = row_of<float>(args->o, p.batch - 1, p.heads - 1, p.seqlen_q - 1) + p.value_dim - 1;
  if (std::memcmp(mark, &kMark, sizeof kMark) == 0 && !is_poison(*row_of<float>(args->o, 0, 0, 0)) && !is_poison(*last))
    return;
  attend<Correct>(args);
  std::memcpy(mark, &kMark, sizeof kMark);
}

std::size_t workspace_with_mark(const Problem* p, std::int32_t threads) {
  return workspace<Correct>(p, threads) + sizeof kMark;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(memo_in_place, .summary = "takes an output that still stands for its answer",
             .source = "tests/mutants/hostile", .features = kAllFeatures, .error_multiple = 1, .limits = nullptr,
             .workspace_bytes = workspace_with_mark, .run = run_unless_it_stands)
