#include "plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "check.hpp"
#include "registry.hpp"
#include "stop.hpp"
#include "workbench.hpp"

namespace attn::bench {
namespace {

// FLOPs per second of plain loops on one core, low enough for any machine that this runs on.
constexpr double kOracleFlops = 1e9;
// Bytes per second at which inputs are filled, hashed and compared.
constexpr double kFillBytes = 4e8;

// A kernel's speed on a small problem. Prefill has queries to share work over, decode has not.
class Calibration {
 public:
  double flops_per_second(const Case& c) {
    const bool decode = is_decode(c.workload.problem);
    const auto key = std::tuple{c.variant, c.threads, decode};
    const auto [entry, inserted] = speeds_.try_emplace(key, 0.0);
    if (inserted) entry->second = measure(c, decode);
    return entry->second;
  }

 private:
  static double measure(const Case& c, bool decode) {
    Problem p = parse_problem(decode ? "h:4/q:1/k:2048/d:64" : "h:2/q:192/d:64");
    if (!why_not(*c.variant, p, c.threads).empty()) p = c.workload.problem;
    set_current_activity(fmt::format("calibrating {}/{} on {}", c.variant->name, c.variant->isa, to_string(p)));
    const Inputs inputs(p, {}, 1);
    const AlignedBuffer workspace(workspace_bytes(*c.variant, p, c.threads));
    const PreparedArgs prepared(*c.variant, prepare(*c.variant, p, inputs.tensors(), c.threads, workspace.bytes()));
    double fastest = 1e9;
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      prepared.run();
      fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return static_cast<double>(flops(p)) / fastest;
  }

  std::map<std::tuple<const Variant*, int, bool>, double> speeds_;
};

double oracle_seconds(const Problem& p) {
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  return 2 * static_cast<double>(oracle_flops(p)) / (kOracleFlops * cores) +
         3 * static_cast<double>(minimal_bytes(p)) / kFillBytes;
}

double case_seconds(const Workload& w, double iteration, const Limits& limits) {
  // Google Benchmark raises the iteration count in steps until min_time is reached: about half as much again. Beside
  // it the ruler measures a tenth as long, and reads for as long as a decode kernel, whose limit that is.
  const double ruler = is_decode(w.problem) ? 2.1 : 1.1;
  const double timed = ruler * std::max(1.5 * limits.min_time_seconds, 2 * iteration);
  // Every step is checked; copies of the inputs are hashed by all cores.
  const double bytes =
      static_cast<double>(minimal_bytes(w.problem)) * static_cast<double>(copies_needed(w, limits.last_level_bytes));
  const double check = 4 * bytes / kFillBytes;
  return 2 * iteration + limits.repetitions * (timed + check) + 0.05;
}

std::string gib(std::int64_t bytes) { return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (1 << 30)); }

// Why this machine's caches and memory cannot hold the case; empty when they can.
std::string why_not_here(const Case& c, const Limits& limits) {
  if (std::string reason = why_not_cold(c.workload, limits.last_level_bytes); !reason.empty()) return reason;
  const std::int64_t needed = Workbench::bytes_needed(c, limits.last_level_bytes);
  if (needed <= limits.memory_bytes) return {};
  const std::string cold =
      c.workload.setup.cache == CacheState::warm
          ? ""
          : fmt::format(" for {} copies of its inputs, to exceed a last-level cache of {} twice over",
                        copies_needed(c.workload, limits.last_level_bytes), bytes_text(limits.last_level_bytes));
  return fmt::format("needs {} of memory{}, {} is available", gib(needed), cold, gib(limits.memory_bytes));
}

// Leaves out the dearest cases until the rest fits.
void keep_budget(Plan& plan, double budget, const std::map<std::string, double>& oracles) {
  const auto total = [&] {
    double seconds = 0;
    std::set<std::string> workloads;
    for (const PlannedCase& planned : plan.cases) {
      seconds += planned.total_seconds;
      const std::string workload = to_string(planned.c.workload);
      if (workloads.insert(workload).second) seconds += oracles.at(workload);
    }
    return seconds;
  };
  plan.total_seconds = total();
  while (budget > 0 && plan.total_seconds > budget && !plan.cases.empty()) {
    const auto dearest = std::max_element(plan.cases.begin(), plan.cases.end(), [](const auto& a, const auto& b) {
      return a.total_seconds < b.total_seconds;
    });
    plan.skipped.push_back(
        {case_name(dearest->c), fmt::format("over the time budget of {:g} s (predicted {:.1f} s for this case)", budget,
                                            dearest->total_seconds)});
    plan.cases.erase(dearest);
    plan.total_seconds = total();
  }
}

}  // namespace

Plan make_plan(const Cases& cases, const Limits& limits) {
  Plan plan{.skipped = cases.skipped};
  Calibration calibration;
  std::map<std::string, double> oracles;
  for (const Case& c : cases.run) {
    const Problem& p = c.workload.problem;
    const auto skip = [&](const std::string& reason) { plan.skipped.push_back({case_name(c), reason}); };
    if (const std::string reason = why_not_here(c, limits); !reason.empty()) {
      skip(reason);
      continue;
    }
    const double iteration = static_cast<double>(flops(p)) / calibration.flops_per_second(c);
    if (iteration > limits.max_case_seconds) {
      skip(fmt::format("one iteration is predicted to take {:.1f} s; --max-case-seconds is {:g}", iteration,
                       limits.max_case_seconds));
      continue;
    }
    oracles.emplace(to_string(c.workload), oracle_seconds(p));
    plan.cases.push_back({c, iteration, case_seconds(c.workload, iteration, limits)});
  }
  keep_budget(plan, limits.budget_seconds, oracles);
  return plan;
}

}  // namespace attn::bench
