#include "measure.hpp"

#include <fmt/format.h>

#include <optional>

#include "errors.hpp"
#include "ruler.hpp"
#include "stop.hpp"

namespace attn::bench {
namespace {

// The first call of a case puts it into the journal and onto the progress line.
void begin_case(const std::string& name, Session& session) {
  if (session.current == name) return;
  session.file.begin_case(name);
  session.progress.begin(name);
  session.current = name;
}

void add_share(benchmark::State& state, const char* counter, std::optional<double> percent) {
  if (!percent) return;
  state.counters[counter] = *percent;
  if (is_ruler_fault(*percent)) state.SetLabel(kRulerFault);
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

  const int threads_used = prepared.threads_used();
  prepared.poison();
  Ruler ruler(c, prepared);
  ruler.begin_slice();
  for (auto _ : state) {
    prepared.call();
    benchmark::ClobberMemory();
    if (ruler.slice_is_full()) {
      if (ruler.end_slice()) {
        state.PauseTiming();
        ruler.measure_ceilings();
        state.ResumeTiming();
      }
      ruler.begin_slice();
    }
    if (interrupted()) {
      skip("interrupted");
      break;
    }
  }
  if (state.error_occurred()) return;
  ruler.finish();
  prepared.check_again();
  const Verdict& verdict = prepared.verdict();
  if (!verdict.passed) return state.SkipWithError(("after timing: " + verdict.failure).c_str());

  const Problem& p = c.workload.problem;
  constexpr auto kPerIteration = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["flops"] = benchmark::Counter(static_cast<double>(flops(p)), kPerIteration);
  add_share(state, "pct_peak", ruler.pct_peak());
  if (is_decode(p)) {
    state.counters["bandwidth"] = benchmark::Counter(static_cast<double>(needed_kv_bytes(p)), kPerIteration);
    add_share(state, "pct_bandwidth", ruler.pct_bandwidth());
  }
  state.counters["bytes"] = static_cast<double>(minimal_bytes(p));
  state.counters["workspace_bytes"] = static_cast<double>(prepared.workspace_bytes());
  if (threads_used > 0) state.counters["threads_used"] = threads_used;
  state.counters["max_scaled_err"] = verdict.max_scaled_err;
  state.counters["tolerance"] = verdict.tolerance;
  state.counters["rows_checked"] = static_cast<double>(verdict.rows_checked);
}

}  // namespace attn::bench
