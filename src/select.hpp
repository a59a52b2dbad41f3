// select: the policy behind attn::attention() and `--variants best`. Choosing is not a kernel: the answer is always the
// concrete row of a table. Two sources: choices that were measured on this machine for exactly one problem, and the
// compiled-in rules, which hold everywhere. Kernels that trade accuracy (error_multiple > 1) are never chosen.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa.hpp"
#include "problem.hpp"
#include "variant.hpp"

namespace attn {

// A line of the compiled-in policy: where all its bounds hold, these variants, fastest first.
struct Rule {
  static constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();

  std::string_view name;                       // of the kind of problem
  std::int64_t rows_per_kv_head_below = kAny;  // seqlen_q x heads / kv_heads: query rows that meet the same keys
  std::int64_t tasks_per_thread_below = kAny;  // independent_tasks / threads
  std::int64_t seqlen_k_from = 1;
  int threads_from = 1;
  bool backward = false;
  std::span<const std::string_view> preference;
};

// The rules in the order in which they are asked; the last one holds for every forward problem.
std::span<const Rule> rules();

// Blocks of query rows over all batches and kv heads: what can be shared out without splitting the keys.
std::int64_t independent_tasks(const Problem& problem);

// The first rule that holds.
const Rule& rule_for(const Problem& problem, int threads);

// What a measurement found fastest, for exactly this problem, team and ISA.
struct Choice {
  Problem problem{};
  int threads = 1;
  Isa isa{};
  std::string variant;
  bool operator==(const Choice&) const = default;
};
using Choices = std::vector<Choice>;

// The row that the choices name for this problem and team, or null. Choices of rows that are not in the table, or refuse
// the problem, are passed over; of several the highest ISA wins.
const Variant* find_choice(const Choices& choices, const Problem& problem, int threads,
                           std::span<const Variant* const> table);

// The row to use for this problem and team on this machine: find_choice, else the first of the rule's variants that is
// in the table and can compute it, in its native ISA. Throws std::invalid_argument when there is none.
const Variant& select(const Problem& problem, int threads, std::span<const Variant* const> table = variant_table(),
                      const Choices& choices = {});

}  // namespace attn
