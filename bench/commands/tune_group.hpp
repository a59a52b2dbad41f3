// TuneGroup: what one choice of `attnbench tune` is made from: a problem, a team, and the rows that compete for it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "commands/plan.hpp"

namespace attn::bench {

class Kernels;

struct TuneGroup {
  Workload workload;
  int threads;
  std::vector<const Variant*> field;  // what the policy may choose from: the native rows, or those of one ISA
  std::vector<PlannedCase> entrants;
  const Variant* selected;  // the policy's choice, one of the entrants unless the plan left it out; may be null
};

// Groups of the cases, in their order. The policy's choice takes part even where --variants left it out: without it
// there is no regret. `native`: rows of several ISAs compete where they are the native ones of their names. `kernels`: as
// make_plan has it; with it they are tried before (first_contact.hpp).
std::vector<TuneGroup> make_tune_groups(const Cases& cases, bool native, const Limits& limits,
                                        std::span<const Variant* const> table, std::vector<Skipped>& skipped,
                                        const Kernels* kernels = nullptr);

// For a person: h:12/q:1024/d:64 avx512 threads:1
std::string group_name(const TuneGroup& group);

// What its oracle, checks and first calls are predicted to take, without the turns.
double overhead_seconds(const TuneGroup& group);

}  // namespace attn::bench
