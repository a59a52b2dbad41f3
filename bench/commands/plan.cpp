#include "commands/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <thread>

#include "base/stop.hpp"
#include "check.hpp"
#include "measure/calibration.hpp"
#include "measure/workbench.hpp"
#include "registry.hpp"
#include "workers/first_contact.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

// What is assumed of a kernel that could not be calibrated.
constexpr double kUnknownFlops = 1e9;
// The same where nothing has changed, as is the rule.
constexpr double kCheckBytes = 4e9;

double case_seconds(const Workload& w, double iteration, const Limits& limits) {
  const PassSettings passes = limits.passes();
  // Beside the calls the ruler measures a tenth as long, and reads for as long as a decode kernel, whose limit that is.
  const double ruler = is_decode(w.problem) ? 2.1 : 1.1;
  // Short calls are preceded by one that is not timed.
  const double turn = ruler * (passes.turn_seconds() > iteration ? passes.turn_seconds() + iteration : iteration);
  // Outputs and inputs are looked at after every turn; copies of the inputs by all cores.
  const double bytes =
      static_cast<double>(minimal_bytes(w.problem)) * static_cast<double>(copies_needed(w, limits.last_level_bytes));
  const double check = bytes / kCheckBytes + 1e-3;
  return 2 * iteration + 2 * bytes / kFillBytes + passes.turns(iteration) * (turn + check) + 0.02;
}

std::string gib(std::int64_t bytes) { return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (1 << 30)); }

// Why this machine's caches and memory cannot hold the case; empty when they can.
std::string why_not_here(const Case& c, const Limits& limits, std::int64_t workspace_elsewhere) {
  if (std::string reason = why_not_cold(c.workload, limits.last_level_bytes); !reason.empty()) return reason;
  const std::int64_t needed = Workbench::bytes_needed(c, limits.last_level_bytes) + workspace_elsewhere;
  if (needed <= limits.memory_bytes) return {};
  const std::string cold =
      c.workload.setup.cache == CacheState::warm
          ? ""
          : fmt::format(" for {} copies of its inputs, to exceed a last-level cache of {} twice over",
                        copies_needed(c.workload, limits.last_level_bytes), bytes_text(limits.last_level_bytes));
  return fmt::format("needs {} of memory{}, {} is available", gib(needed), cold, gib(limits.memory_bytes));
}

// What the cases of a plan share: an oracle for each workload.
struct SharedOracle {
  double seconds;
  std::size_t cases = 0;
};
using SharedOracles = std::map<std::string, SharedOracle>;

double total_seconds(const Plan& plan, const SharedOracles& oracles) {
  double seconds = 0;
  for (const PlannedCase& planned : plan.cases) seconds += planned.total_seconds;
  for (const auto& [workload, oracle] : oracles)
    if (oracle.cases > 0) seconds += oracle.seconds;
  return seconds;
}

// Leaves out the dearest cases until the rest fits.
void keep_budget(Plan& plan, double budget, SharedOracles& oracles) {
  double seconds = total_seconds(plan, oracles);
  std::vector<std::size_t> dearest_first(plan.cases.size());
  std::iota(dearest_first.begin(), dearest_first.end(), std::size_t{0});
  std::ranges::stable_sort(dearest_first, std::greater(), [&](std::size_t i) { return plan.cases[i].total_seconds; });
  std::vector<bool> left_out(plan.cases.size());
  for (const std::size_t i : dearest_first) {
    if (budget <= 0 || seconds <= budget) break;
    const PlannedCase& dearest = plan.cases[i];
    plan.skipped.push_back({case_name(dearest.c), Reason::left_out,
                            fmt::format("over the time budget of {:g} s (predicted {:.1f} s for this case)", budget,
                                        dearest.total_seconds)});
    left_out[i] = true;
    seconds -= dearest.total_seconds;
    SharedOracle& oracle = oracles.at(to_string(dearest.c.workload));
    if (--oracle.cases == 0) seconds -= oracle.seconds;
  }
  std::size_t i = 0;
  std::erase_if(plan.cases, [&](const PlannedCase&) { return left_out[i++]; });
  plan.total_seconds = total_seconds(plan, oracles);
}

}  // namespace

Plan make_plan(const Cases& cases, const Limits& limits, const Kernels* kernels, FirstContact* contact) {
  Plan plan{.skipped = cases.skipped};
  Calibration calibration;
  SharedOracles oracles;
  for (const Case& c : cases.run) {
    throw_if_interrupted();
    const auto skip = [&](Reason reason, const std::string& text) {
      plan.skipped.push_back({case_name(c), reason, text});
    };
    const bool elsewhere = kernels != nullptr && kernels->worker_of(c) != nullptr;
    const Worker::Prediction told = kernels == nullptr ? Worker::Prediction{} : kernels->predict(c);
    const std::string reason =
        told.refused.empty() ? why_not_here(c, limits, elsewhere ? told.workspace_bytes : 0) : told.refused;
    if (!reason.empty()) {
      skip(Reason::left_out, reason);
      continue;
    }
    Failure failure = told.failure;
    if (!failure && contact != nullptr) failure = contact->failure_of(c);
    const double speed = kernels == nullptr          ? calibration.flops_per_second(c)
                         : told.flops_per_second > 0 ? told.flops_per_second
                                                     : kUnknownFlops;
    const double iteration = failure ? 0 : static_cast<double>(flops(c.workload)) / speed;
    if (iteration > limits.max_case_seconds) {
      skip(Reason::too_slow, fmt::format("one iteration is predicted to take {:.1f} s; --max-case-seconds is {:g}",
                                         iteration, limits.max_case_seconds));
      continue;
    }
    ++oracles.try_emplace(to_string(c.workload), SharedOracle{oracle_seconds(c.workload)}).first->second.cases;
    plan.cases.push_back({c, iteration, failure ? 0 : case_seconds(c.workload, iteration, limits), failure});
  }
  keep_budget(plan, limits.budget_seconds, oracles);
  return plan;
}

}  // namespace attn::bench
