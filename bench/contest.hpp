// contest: variants that compute one problem with one team take turns, so that what slows the machine down for a while
// slows all of them. Each is checked against the oracle before its first turn and after its last.
#pragma once

#include <string>
#include <vector>

#include "plan.hpp"
#include "workbench.hpp"

namespace attn::bench {

// How a variant fared. A turn's time is the median over batches of calls.
struct Standing {
  const Variant* variant;
  double seconds;  // of a call: the median over the turns
  double spread;   // the middle half of the turns, as a share of `seconds`
  int turns;       // 1 for those that dropped out after the first round
};

struct ContestResult {
  std::vector<Standing> standings;  // fastest first; those that dropped out at the end
  std::vector<Skipped> wrong;       // case and failure; these have no standing
};

// Lets the cases of one workload and team compete for about `seconds`, in at most nine rounds and at least three. Who is
// more than twice as slow as the leader after the first round drops out, so that `naive` does not cost minutes; `keep`
// (may be null) stays in for a time as good as the leader's. Ends early, with what there is, when interrupted; without
// standings when a variant wrote to the inputs, which spoils `workload`.
ContestResult hold_contest(const std::vector<PlannedCase>& entrants, PreparedWorkload& workload, double seconds,
                           const Variant* keep);

}  // namespace attn::bench
