#include "commands/turns_of_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/errors.hpp"
#include "base/slices.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "measure/measurement.hpp"
#include "measure/turns_here.hpp"

namespace attn::bench {
namespace {

using Measure = std::function<Measurement(std::int64_t calls)>;

Measure in_a_worker(const PlannedCase& planned, Worker& worker) {
  return [planned, name = case_name(planned.c), &worker, checked = false](std::int64_t calls) mutable {
    try {
      if (!checked) {
        const CaseVerdict verdict = worker.prepare(name, planned.iteration_seconds).verdict;
        if (!verdict.passed) throw CaseFailed(verdict.why());
        checked = true;
      }
      return worker.measure_with_ceilings(name, calls, planned.iteration_seconds);
    } catch (const WorkerError& error) {
      throw CaseFailed(error.of_its_kernel());
    }
  };
}

// Calls for so long before anything counts.
Measure warmed_up(Measure measure, double seconds) {
  return [measure = std::move(measure), seconds, warm = false](std::int64_t calls) mutable {
    for (const auto begin = Clock::now(); !warm && !interrupted();)
      if (seconds_since(begin) >= seconds)
        warm = true;
      else
        measure(calls);
    return measure(calls);
  };
}

std::vector<Entrant> entrants_of(std::span<const PlannedCase> group, Session& session) {
  std::vector<Entrant> entrants;
  for (const PlannedCase& planned : group) {
    Worker* worker = session.kernels.worker_of(planned.c);
    Measure measure = planned.failure     ? no_turns(planned.failure)
                      : worker != nullptr ? in_a_worker(planned, *worker)
                                          : turns_here(planned.c, planned.iteration_seconds, measure_with_ceilings,
                                                       session.workbench, session.watchdog);
    if (session.warmup_seconds > 0) measure = warmed_up(std::move(measure), session.warmup_seconds);
    entrants.push_back({case_name(planned.c), planned.iteration_seconds, std::move(measure)});
  }
  return entrants;
}

// Why nothing more is measured; empty when it goes on.
std::string why_stop(const Session& session) {
  if (interrupted()) return "interrupted";
  if (!session.reporter.file_error().empty()) return "the result file cannot be written";
  if (session.budget_seconds > 0 && session.progress.elapsed_seconds() > session.budget_seconds)
    return fmt::format("the time budget of {:g} s is used up", session.budget_seconds);
  return {};
}

// What Google Benchmark is told of a case.
struct Outcome {
  PlannedCase planned;
  std::int64_t calls = 1;
  std::vector<Measurement> turns;
  const PeakUnit* unit = &kFma;  // of whose peak its shares are
  std::string error;             // instead of turns
};

void replay(benchmark::State& state, const Outcome& outcome, std::size_t turn) {
  if (!outcome.error.empty()) return state.SkipWithError(outcome.error.c_str());
  const Measurement& m = outcome.turns.at(turn);
  while (state.KeepRunningBatch(state.max_iterations)) state.SetIterationTime(m.wall_seconds);
  add_counters(state, outcome.planned.c.workload, m, *outcome.unit);
  state.counters[kWorkerCpuSeconds] = m.cpu_seconds / static_cast<double>(state.max_iterations);
}

// The turns that make the row: those of quiet passes, but of a case that sat some out all, and all where the user said how
// many there are to be.
std::vector<Measurement> turns_of_row(const Series& series, std::span<const std::size_t> quiet, bool all) {
  std::vector<Measurement> turns;
  const bool complete =
      std::all_of(series.turns.begin(), series.turns.end(), [](const auto& turn) { return turn.has_value(); });
  for (std::size_t pass = 0; pass < series.turns.size(); ++pass)
    if (series.turns[pass] && (all || !complete || std::binary_search(quiet.begin(), quiet.end(), pass)))
      turns.push_back(*series.turns[pass]);
  return turns;
}

// Over all turns, also those that the row leaves out.
Marks marks_of(const Series& series, int threads) {
  Marks marks;
  std::vector<double> seconds, slice_spreads, surplus;
  for (const std::optional<Measurement>& turn : series.turns) {
    if (!turn) continue;
    marks.insert(turn->marks.begin(), turn->marks.end());
    if (!turn->verdict.mistrusted.empty()) marks["mistrusted"] = turn->verdict.mistrusted;
    seconds.push_back(turn->wall_seconds);
    surplus.push_back(turn->surplus_cpu);
    slice_spreads.push_back(turn->slice_spread);
  }
  // A kernel may have been well-behaved until it was timed. What a team that rests leaves behind is over after a turn.
  if (const double share = surplus.empty() ? 0 : quantile_of(surplus, 0.5); share > kSuspectSurplus)
    marks.try_emplace(
        "suspect_threads",
        fmt::format("{:.0f} % of the CPU time of the timed calls is of other threads than the {} of the row",
                    100 * share, threads));
  const double of_passes = spread_of(seconds);
  const double of_slices = slice_spreads.empty() ? 0 : quantile_of(slice_spreads, 0.5);
  if (of_passes > kUnsteady)
    marks["unsteady"] = fmt::format("its passes differ by {:.0f} %", 100 * of_passes);
  else if (of_slices > kUnsteady)
    marks["unsteady"] = fmt::format("the slices within its passes differ by {:.0f} %", 100 * of_slices);
  return marks;
}

// What Google Benchmark has no word for.
Json extras_of(const Series& series, const Case& c, std::span<const Measurement> kept, const PeakUnit& unit,
               Standing standing, bool cut_short) {
  Json extras = Json::object();
  if (!c.model.empty()) extras["model"] = c.model;
  if (series.failed) {
    extras["failure"] = series.failed.reason == Reason::wrong ? "wrong" : "failed";
    extras["reason"] = to_string(series.failed.reason);
    if (!series.failed.problem.empty()) extras["failed_on"] = series.failed.problem;
    return extras;
  }
  if (standing != Standing::unknown) extras["standing"] = to_string(standing);
  if (const Marks marks = marks_of(series, c.threads); !marks.empty()) extras["marks"] = marks;
  if (std::ranges::any_of(kept, [](const Measurement& m) { return m.pct_fma_peak.has_value(); }))
    extras["peak_unit"] = unit.name;
  std::size_t taken = 0;
  for (const std::optional<Measurement>& turn : series.turns)
    if (turn) {
      ++taken;
      if (!turn->libraries.empty()) extras["libraries"] = turn->libraries;
    }
  if (taken > kept.size()) extras["passes_left_out"] = taken - kept.size();
  if (cut_short) extras["interrupted"] = true;
  return extras;
}

void replay(const std::vector<Outcome>& outcomes, const Session& session) {
  benchmark::ClearRegisteredBenchmarks();
  for (const Outcome& outcome : outcomes) {
    const auto turn = std::make_shared<std::size_t>(0);
    benchmark::RegisterBenchmark(case_name(outcome.planned.c).c_str(),
                                 [&outcome, turn](benchmark::State& state) { replay(state, outcome, (*turn)++); })
        ->Unit(session.time_unit)
        ->UseManualTime()
        ->Iterations(outcome.calls)
        ->Repetitions(static_cast<int>(std::max<std::size_t>(outcome.turns.size(), 1)));
  }
  benchmark::RunSpecifiedBenchmarks(&session.reporter, ".");
}

// `cut_short`: why there are no more turns than these; empty when there are all.
void report(std::span<const PlannedCase> group, std::span<const Series> all, const std::string& cut_short,
            const Session& session) {
  std::vector<PassTimes> times;
  for (const Series& series : all) times.push_back(series.failed ? PassTimes() : series.times());
  std::size_t passes = 0;
  for (const PassTimes& t : times) passes = std::max(passes, t.size());
  for (PassTimes& t : times) t.resize(passes, std::numeric_limits<double>::quiet_NaN());
  const std::vector<std::size_t> quiet = quiet_passes(times);
  const std::vector<Standing> standings = standings_of(times);

  std::vector<Outcome> outcomes;
  for (std::size_t e = 0; e < group.size(); ++e) {
    Outcome outcome{.planned = group[e], .calls = std::max<std::int64_t>(all[e].calls, 1)};
    outcome.turns = turns_of_row(all[e], quiet, session.passes.repetitions > 0);
    if (all[e].failed) {
      outcome.error = all[e].failed.text;
      outcome.turns.clear();
    } else if (outcome.turns.empty()) {
      session.reporter.skip({case_name(group[e].c), Reason::not_run, cut_short.empty() ? "it had no turn" : cut_short});
      continue;
    }
    outcome.unit = &fastest_unit(group[e].c, outcome.turns);
    session.reporter.expect(
        case_name(group[e].c),
        {.fields = extras_of(all[e], group[e].c, outcome.turns, *outcome.unit, standings[e], !cut_short.empty()),
         .in_worker = session.kernels.worker_of(group[e].c) != nullptr});
    outcomes.push_back(std::move(outcome));
  }
  if (!outcomes.empty()) replay(outcomes, session);  // Google Benchmark complains of nothing to do
}

// Saves what the finished passes gave, for the case that this process is killed; rarely enough to cost a twentieth of the
// time at the most.
class Drafts {
 public:
  Drafts(std::span<const PlannedCase> group, const Session& session) : group_(group), session_(session) {}

  void save(std::span<const Series> all) {
    constexpr int kShare = 20;
    const auto begin = Clock::now();
    if (begin - saved_ < kShare * cost_) return;
    session_.reporter.draft([&] { report(group_, all, "some of its passes are to come", session_); });
    saved_ = Clock::now();
    cost_ = saved_ - begin;
  }

 private:
  std::span<const PlannedCase> group_;
  const Session& session_;
  Clock::time_point saved_;
  Clock::duration cost_{};
};

std::vector<Series> take_turns(std::span<const PlannedCase> group, Session& session) {
  const std::vector<Entrant> entrants = entrants_of(group, session);
  Drafts drafts(group, session);
  const PassHooks hooks{.begin_turn =
                            [&](std::size_t e, int, int turns) {
                              session.file.begin_case(entrants[e].name);
                              session.progress.begin(entrants[e].name, turns);
                              set_current_activity(entrants[e].name);
                            },
                        .stop = [&] { return !why_stop(session).empty(); },
                        .end_pass = [&](std::span<const Series> all) { drafts.save(all); }};
  return take_passes(entrants, session.passes, session.random, hooks);
}

}  // namespace

std::vector<std::vector<PlannedCase>> groups_of(const std::vector<PlannedCase>& cases) {
  std::vector<std::vector<PlannedCase>> groups;
  std::map<std::pair<std::string, int>, std::size_t> places;
  for (const PlannedCase& planned : cases) {
    const auto place = places.try_emplace({to_string(planned.c.workload), planned.c.threads}, groups.size()).first;
    if (place->second == groups.size()) groups.emplace_back();
    groups[place->second].push_back(planned);
  }
  return groups;
}

void measure_group(std::span<const PlannedCase> group, Session& session) {
  double expected = 0;
  for (const PlannedCase& planned : group) expected += planned.total_seconds;
  session.file.catch_up(expected);
  const std::vector<Series> all = take_turns(group, session);
  report(group, all, why_stop(session), session);
}

}  // namespace attn::bench
