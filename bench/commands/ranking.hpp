// ranking: variants that compute one problem with one team take turns (passes.hpp). Each is checked against the oracle
// before its first turn and after every turn.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "commands/plan.hpp"
#include "measure/watchdog.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {

// How a variant fared.
struct Rank {
  const Variant* variant;
  double seconds;  // of a call: the median over the quiet passes
  double spread;   // of its turns (standing.hpp)
  int turns;
  bool level;  // its turns do not show that it is slower than the first
};

struct Ranking {
  std::vector<Rank> ranks;      // fastest first; those that dropped out at the end
  std::vector<Skipped> failed;  // these have no rank
};

// Lets the cases of one workload and team compete for about `seconds`. Who is far slower than the leader in two turns
// drops out, so that `naive` does not cost minutes, except for `keep` (may be null). Ends early, with what there is, when
// interrupted.
Ranking rank_in_turns(const std::vector<PlannedCase>& entrants, Workbench& workbench, double seconds,
                      const Variant* keep, std::mt19937_64& random, Watchdog& watchdog);

}  // namespace attn::bench
