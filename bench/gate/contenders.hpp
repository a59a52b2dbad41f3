// The cases that a gate or a comparison is about, found by asking the workers; and whether their memory can be had.
#pragma once

#include <string>
#include <vector>

#include "cases/case_options.hpp"
#include "gate/fingerprint.hpp"
#include "gate/worker_side.hpp"

namespace attn::bench::gate {

// An iteration beyond it makes chunks so long that bursts fall into most blocks.
inline constexpr double kMostIterationSeconds = 0.5;

// Why a case cannot be measured in turns with another, going by what its worker said.
Failure why_not_in_turns(const Worker::Prediction& told, const Workload& workload, double most_seconds);

// Launches both sides and pairs up the cases of a selection. Throws UsageError when there is none, EnvironmentError when
// the sides differ in more than their code or, unless `common`, in their cases. Fills `skipped` with what is left out.
std::vector<Pairing> introduce(WorkerSide& base, WorkerSide& candidate, const CaseOptions& options, bool common,
                               Facts& base_facts, Facts& candidate_facts, std::vector<Skipped>& skipped);

// Throws UsageError when `processes` workers that keep the inputs of these cases need more memory than there is.
void require_memory(const std::vector<std::string>& cases, int processes);

}  // namespace attn::bench::gate
