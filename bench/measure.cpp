#include "measure.hpp"

#include <fmt/format.h>

#include "errors.hpp"
#include "measurement.hpp"
#include "ruler.hpp"
#include "stop.hpp"

namespace attn::bench {
namespace {

void skip(benchmark::State& state, const std::string& reason) { state.SkipWithError((kNotRun + reason).c_str()); }

// False, and the state skipped, when nothing is to be measured any more. The first call of a case puts it into the journal
// and onto the progress line.
bool begin_case(benchmark::State& state, const std::string& name, Session& session) {
  const auto refuse = [&](const std::string& reason) { return skip(state, reason), false; };
  if (interrupted()) return refuse("interrupted");
  if (!session.reporter.file_error().empty()) return refuse("the result file cannot be written");
  if (session.budget_seconds > 0 && session.progress.elapsed_seconds() > session.budget_seconds)
    return refuse(fmt::format("the time budget of {:g} s is used up", session.budget_seconds));
  if (session.current == name) return true;
  session.file.begin_case(name);
  session.progress.begin(name);
  session.current = name;
  return true;
}

}  // namespace

void measure(benchmark::State& state, const Case& c, Session& session) {
  if (!begin_case(state, case_name(c), session)) return;
  PreparedCase& prepared = session.workbench.prepare(c);
  if (!prepared.verdict().passed) return state.SkipWithError(prepared.verdict().failure.c_str());

  const int threads_used = prepared.threads_used();
  prepared.poison();
  Ruler ruler(c, prepared);
  call_in_slices(
      prepared, ruler, [&] { return !interrupted() && state.KeepRunning(); }, [&] { state.PauseTiming(); },
      [&] { state.ResumeTiming(); });
  if (interrupted()) return skip(state, "interrupted");
  ruler.finish();
  const Measurement m = conclude(prepared, ruler, threads_used);
  if (!m.verdict.passed) return state.SkipWithError(m.verdict.failure.c_str());
  add_counters(state, c.workload, m);
}

void measure_at(Station& station, benchmark::State& state, const PlannedCase& planned, Session& session) {
  const std::string name = case_name(planned.c);
  if (!begin_case(state, name, session)) return;
  if (const auto lost = session.lost.find(name); lost != session.lost.end())
    return state.SkipWithError(lost->second.c_str());
  try {
    const Verdict verdict = station.prepare(planned.c, planned.iteration_seconds);
    if (!verdict.passed) return state.SkipWithError(verdict.failure.c_str());
    Measurement m;
    while (state.KeepRunningBatch(state.max_iterations)) {
      m = station.measure(planned.c, state.max_iterations, planned.iteration_seconds);
      state.SetIterationTime(m.wall_seconds);
    }
    if (!m.verdict.passed) return state.SkipWithError(m.verdict.failure.c_str());
    add_counters(state, planned.c.workload, m);
    state.counters[kWorkerCpuSeconds] = m.cpu_seconds / static_cast<double>(state.max_iterations);
  } catch (const WorkerError& error) {
    if (interrupted()) return skip(state, "interrupted");
    const std::string& failure = session.lost[name] = std::string("its worker ") + error.what();
    state.SkipWithError(failure.c_str());
  }
}

}  // namespace attn::bench
