// How a call is shared out: what is cut into tasks, and how many threads they are worth.
#pragma once

#include <algorithm>

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Tasks per thread that even out their differences.
inline constexpr std::int64_t kTasksPerThread = 8;
// Work below which starting a thread costs more than it brings.
inline constexpr std::int64_t kFlopsPerThread = 500'000;

inline std::int64_t ceil_div(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

// Rows that read one kv head: query heads and queries of it.
inline std::int64_t group_of(const Problem& p) { return p.heads / p.kv_heads; }
inline std::int64_t rows_of(const Problem& p) { return group_of(p) * p.seqlen_q; }

// The team for so many tasks, each pair of query and key being good for so many FLOPs; masks but a window's left side are not
// looked at, since threads of half the work still pay.
inline int worthwhile_team(const Problem& p, std::int64_t threads, std::int64_t tasks, std::int64_t flops_per_pair) {
  const std::int64_t keys = p.window_left < 0 ? p.seqlen_k : std::min(p.seqlen_k, p.window_left + 1);
  const std::int64_t flops = flops_per_pair * p.batch * p.kv_heads * rows_of(p) * keys;
  return static_cast<int>(std::min({threads, tasks, std::max<std::int64_t>(1, flops / kFlopsPerThread)}));
}

}  // namespace
}  // namespace attn::ATTN_ISA
