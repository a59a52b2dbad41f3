#include "select.hpp"

#include <array>
#include <stdexcept>

#include "problem_text.hpp"
#include "registry.hpp"

namespace attn {
namespace {

using namespace std::string_view_literals;

// Fastest first, as the recorded runs in results/ show; `attnbench tune` tells what each choice loses. A variant not
// named here is chosen only on request. Every list names the same variants, so that a problem which the first ones
// refuse still finds one.
constexpr std::array kPrefill = {"flash"sv,      "online_softmax"sv, "split_kv"sv, "parallel_heads"sv,
                                 "vectorized"sv, "blocked"sv,        "naive"sv};
// The keys are read for a few rows only: reading them once, and on all cores, is everything.
constexpr std::array kDecode = {"split_kv"sv,       "parallel_heads"sv, "vectorized"sv, "flash"sv,
                                "online_softmax"sv, "blocked"sv,        "naive"sv};
constexpr std::array kFewTasks = {"split_kv"sv,   "flash"sv,   "online_softmax"sv, "parallel_heads"sv,
                                  "vectorized"sv, "blocked"sv, "naive"sv};

// Each pass has kernels of its own: those that refuse the pass are passed over.
constexpr std::array kBackward = {"flash_backward"sv, "naive_backward"sv};

// Rows that do not fill a vector of 16 lanes, whatever the keys.
constexpr std::int64_t kFewRows = 16;
// Over long contexts, which come from memory, flash catches up with split_kv at 48 to 64 rows per kv head, since it
// prefetches for tiles that compute longer.
constexpr std::int64_t kSomeRows = 64;
constexpr std::int64_t kLongContext = 1024;
// Query rows that flash takes through the keys together at least: a register tile of AVX-512.
constexpr std::int64_t kRowsPerTask = 48;

constexpr std::array kRules = {
    Rule{.name = "backward", .backward = true, .preference = kBackward},
    Rule{.name = "decode", .rows_per_kv_head_below = kFewRows, .preference = kDecode},
    Rule{.name = "few rows, long context",
         .rows_per_kv_head_below = kSomeRows,
         .seqlen_k_from = kLongContext,
         .preference = kFewTasks},
    // Less than a task per thread: without a split of the keys threads would be idle.
    Rule{.name = "few tasks, long context",
         .tasks_per_thread_below = 1,
         .seqlen_k_from = kLongContext,
         .threads_from = 2,
         .preference = kFewTasks},
    Rule{.name = "prefill", .preference = kPrefill},
};

std::int64_t rows_per_kv_head(const Problem& p) { return p.seqlen_q * (p.heads / p.kv_heads); }

bool holds(const Rule& rule, const Problem& p, int threads) {
  return (p.backward != 0) == rule.backward && rows_per_kv_head(p) < rule.rows_per_kv_head_below &&
         independent_tasks(p) / threads < rule.tasks_per_thread_below && p.seqlen_k >= rule.seqlen_k_from &&
         threads >= rule.threads_from;
}

bool can_be_chosen(const Variant& row, const Problem& problem, int threads) {
  return row.error_multiple <= 1 && why_not(row, problem, threads).empty();
}

}  // namespace

std::span<const Rule> rules() { return kRules; }

std::int64_t independent_tasks(const Problem& p) {
  return p.batch * p.kv_heads * ((rows_per_kv_head(p) + kRowsPerTask - 1) / kRowsPerTask);
}

const Rule& rule_for(const Problem& problem, int threads) {
  for (const Rule& rule : kRules)
    if (holds(rule, problem, threads)) return rule;
  return kRules.back();
}

const Variant* find_choice(const Choices& choices, const Problem& problem, int threads,
                           std::span<const Variant* const> table) {
  const Variant* best = nullptr;
  for (const Choice& choice : choices) {
    if (choice.problem != problem || choice.threads != threads) continue;
    const Variant* row = find(table, choice.variant, choice.isa);
    if (row == nullptr || !can_be_chosen(*row, problem, threads)) continue;
    if (best == nullptr || isa_of(*best) < isa_of(*row)) best = row;
  }
  return best;
}

const Variant& select(const Problem& problem, int threads, std::span<const Variant* const> table,
                      const Choices& choices) {
  if (const Variant* row = find_choice(choices, problem, threads, table)) return *row;
  for (const std::string_view name : rule_for(problem, threads).preference) {
    const Variant* row = find_native(table, name);
    if (row != nullptr && can_be_chosen(*row, problem, threads)) return *row;
  }
  throw std::invalid_argument("no variant can compute " + to_string(problem));
}

}  // namespace attn
