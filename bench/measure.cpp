#include "measure.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "errors.hpp"
#include "peak.hpp"
#include "registry.hpp"
#include "stop.hpp"
#include "team.hpp"

namespace attn::bench {
namespace {

// The first call of a case puts it into the journal and onto the progress line.
void begin_case(const std::string& name, Session& session) {
  if (session.current == name) return;
  session.file.begin_case(name);
  session.progress.begin(name);
  session.current = name;
}

}  // namespace

void measure(benchmark::State& state, const Case& c, Session& session) {
  const auto skip = [&](const std::string& reason) { state.SkipWithError((kNotRun + reason).c_str()); };
  if (interrupted()) return skip("interrupted");
  if (!session.reporter.file_error().empty()) return skip("the result file cannot be written");
  if (session.budget_seconds > 0 && session.progress.elapsed_seconds() > session.budget_seconds)
    return skip(fmt::format("the time budget of {:g} s is used up", session.budget_seconds));

  begin_case(case_name(c), session);
  PreparedCase& prepared = session.workbench.prepare(c);
  if (!prepared.verdict().passed) return state.SkipWithError(prepared.verdict().failure.c_str());

  const Isa isa = isa_of(*c.variant);
  prepared.poison();
  const Peak before = measure_peak(isa, c.threads);
  const TeamClock team;
  for (auto _ : state) {
    prepared.call();
    benchmark::ClobberMemory();
    if (interrupted()) {
      skip("interrupted");
      break;
    }
  }
  if (state.error_occurred()) return;
  const int threads_used = team.threads_used();
  const Peak after = measure_peak(isa, c.threads);
  prepared.check_again();
  const Verdict& verdict = prepared.verdict();
  if (!verdict.passed) return state.SkipWithError(("after timing: " + verdict.failure).c_str());

  const Problem& p = c.workload.problem;
  const double work = static_cast<double>(flops(p));
  // The higher slice: a neighbour that slows a slice down must not make the kernel look good.
  const double peak = std::max(before.flops_per_second, after.flops_per_second);
  constexpr auto kPerIteration = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["flops"] = benchmark::Counter(work, kPerIteration);
  if (peak > 0) state.counters["pct_peak"] = benchmark::Counter(100 * work / peak, kPerIteration);
  state.counters["bytes"] = static_cast<double>(minimal_bytes(p));
  state.counters["workspace_bytes"] = static_cast<double>(prepared.workspace_bytes());
  if (threads_used > 0) state.counters["threads_used"] = threads_used;
  state.counters["max_scaled_err"] = verdict.max_scaled_err;
  state.counters["tolerance"] = verdict.tolerance;
  state.counters["rows_checked"] = static_cast<double>(verdict.rows_checked);
}

}  // namespace attn::bench
