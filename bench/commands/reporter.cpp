#include "commands/reporter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <utility>

#include "base/errors.hpp"
#include "base/quantities.hpp"
#include "base/say.hpp"
#include "base/slices.hpp"
#include "base/timing.hpp"
#include "base/window.hpp"
#include "machine/peak_unit.hpp"
#include "measure/passes.hpp"
#include "results/roofs.hpp"

namespace attn::bench {
namespace {

// Google Benchmark's own JSON of a piece of its report, parsed.
template <class Report>
Json as_json(const char* before, const char* after, const Report& report) {
  benchmark::JSONReporter reporter;
  std::ostringstream out;
  reporter.SetOutputStream(&out);
  reporter.SetErrorStream(&out);
  report(reporter);
  return Json::parse(before + out.str() + after);
}

// Why a run has no number; empty when it has one. Google Benchmark 1.8 renamed what says so.
template <class Run>
std::string failure_of(const Run& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred ? run.error_message : "";
  } else {
    return run.skipped != 0 ? run.skip_message : "";
  }
}

std::string outcome_of(const benchmark::BenchmarkReporter::Run& run, const CaseName& name, const Json& extras) {
  if (const std::string failure = failure_of(run); !failure.empty()) return "FAILED: " + failure;
  const auto counter = [&](const char* name) { return run.counters.count(name) ? run.counters.at(name).value : 0.0; };
  const bool by_bandwidth = run.counters.count("pct_bandwidth") > 0;
  const double share = counter(by_bandwidth ? "pct_bandwidth" : "pct_peak");
  const PeakUnit* unit = find_peak_unit(extras.value("peak_unit", ""));
  const std::string of = by_bandwidth ? "b" : unit == nullptr ? "" : unit->mark;
  const double calls_per_second = counter("flops") / std::max(static_cast<double>(flops(name.workload)), 1.0);
  return fmt::format("{:8.3g} GFLOP/s {:5.1f}%{:1} {:>7}", counter("flops") / 1e9, share, of,
                     time_text(1 / calls_per_second));
}

// What is to be said of a row that is no figure. More threads than there are CPUs are told once, below the table.
std::string remarks_on(const benchmark::BenchmarkReporter::Run& run, const Json& extras) {
  if (!failure_of(run).empty()) return {};
  std::string words = run.report_label.find(kRulerFault) != std::string::npos ? ", RULER AT FAULT: above 100 %" : "";
  if (extras.contains("marks"))
    for (const auto& [mark, reason] : extras["marks"].items())
      if (mark != "oversubscribed") words += ", " + mark;
  return words;
}

std::vector<std::pair<std::string, double>> steps_of(const std::vector<PlannedCase>& cases) {
  std::vector<std::pair<std::string, double>> steps;
  for (const PlannedCase& planned : cases) steps.emplace_back(case_name(planned.c), planned.total_seconds);
  return steps;
}

using Run = benchmark::BenchmarkReporter::Run;

// A row is named for what was measured, not for how Google Benchmark was fed with it.
void name_row(Run& run, bool in_worker, std::int64_t place) {
  run.run_name.iterations.clear();
  run.run_name.repetitions.clear();
  run.run_name.time_type = in_worker ? "manual_time" : "real_time";
  run.family_index = place;
}

// The CPU time is that of the turns, which comes as a counter. And the coefficient of variation of a counter that is 0 is
// NaN, which JSON has no word for.
void settle_counters(Run& run) {
  std::erase_if(run.counters, [](const auto& entry) { return !std::isfinite(entry.second.value); });
  const auto counter = run.counters.find(kWorkerCpuSeconds);
  if (counter == run.counters.end()) return;
  // The counter is of a call, the field of all iterations; a coefficient of variation is printed as it is.
  const bool percentage = run.aggregate_unit == benchmark::kPercentage;
  run.cpu_accumulated_time = counter->second.value * (percentage ? 1 : static_cast<double>(run.iterations));
  run.counters.erase(counter);
}

// The median of each counter by itself would put the speed of one turn beside the share of another: the shares are those
// of the turn with the median time. An even number of turns, which only the user's own can be, has two: the faster one.
void take_shares_of_median(Run& median, std::vector<Run> turns) {
  if (turns.empty()) return;
  const auto middle = turns.begin() + static_cast<std::ptrdiff_t>((turns.size() - 1) / 2);
  std::nth_element(turns.begin(), middle, turns.end(),
                   [](const Run& a, const Run& b) { return a.real_accumulated_time < b.real_accumulated_time; });
  for (const char* share : {"pct_peak", "pct_fma_peak", "pct_bandwidth"})
    if (const auto counter = middle->counters.find(share); counter != middle->counters.end())
      median.counters[share] = counter->second;
}

}  // namespace

Progress::Progress(const std::vector<PlannedCase>& cases) : Progress(steps_of(cases)) {}

Progress::Progress(const std::vector<std::pair<std::string, double>>& steps)
    : terminal_(rewrites_lines(STDERR_FILENO)), total_(steps.size()), told_(Clock::now()), begin_(Clock::now()) {
  for (const auto& [name, seconds] : steps) {
    steps_[name].predicted = seconds;
    predicted_total_ += seconds;
  }
}

double Progress::elapsed_seconds() const { return seconds_since(begin_); }

// The prediction for what is left, corrected by how the prediction fared so far.
double Progress::remaining_seconds() const {
  const double left = predicted_total_ - predicted_done_;
  return predicted_done_ > 0 ? left * std::clamp(elapsed_seconds() / predicted_done_, 0.1, 10.0) : left;
}

void Progress::credit(Step& step, double seconds) {
  seconds = std::min(seconds, step.predicted - step.credited);
  step.credited += seconds;
  predicted_done_ += seconds;
}

void Progress::begin(const std::string& name, int turns) {
  // A turn that is over counts with its share of the case's prediction.
  if (const auto last = steps_.find(current_); last != steps_.end())
    credit(last->second, last->second.predicted / std::max(current_turns_, 1));
  current_ = name;
  current_turns_ = turns > 0 ? turns : kMostPasses;
  constexpr auto kTell = std::chrono::seconds(15);  // in a pipe, where nothing can be rewritten
  const auto now = Clock::now();
  if (terminal_)
    say("\r\033[K{}",
        cut(fmt::format("[{}/{}] ETA {} {}", done_, total_, clock_time(remaining_seconds()), short_name(name)),
            window_columns(STDERR_FILENO) - 1));
  else if (turns != 1 && now - told_ >= kTell)  // others tell when they finish
    say("{} of {} done, ETA {}, now {}\n", done_, total_, clock_time(remaining_seconds()), short_name(name));
  else
    return;
  told_ = now;
}

void Progress::finish(const std::string& name, const std::string& outcome, const std::string& remarks) {
  ++done_;
  if (name == current_) current_.clear();
  if (const auto step = steps_.find(name); step != steps_.end())
    credit(step->second, step->second.predicted - step->second.credited);
  clear_line();
  const std::string line = fmt::format("[{:>{}}/{}] ETA {:>5} {}  {}{}", done_, fmt::formatted_size("{}", total_),
                                       total_, clock_time(remaining_seconds()), outcome, short_name(name), remarks);
  say("{}\n", terminal_ ? cut(line, window_columns(STDERR_FILENO)) : line);
}

void Progress::clear_line() const {
  if (terminal_) say("\r\033[K");
}

RunReporter::RunReporter(ResultFile& file, Progress& progress, std::vector<Skipped> skipped,
                         benchmark::BenchmarkReporter* next, const Aggregates& aggregates)
    : file_(file), progress_(progress), skipped_(std::move(skipped)), next_(next), aggregates_(aggregates) {}

void RunReporter::begin(const std::vector<PlannedCase>& cases, const Json& ceilings) {
  Context context;
  context.name_field_width = 0;
  for (const PlannedCase& planned : cases) {
    const std::string name = case_name(planned.c);
    places_.emplace(name, static_cast<std::int64_t>(places_.size()));
    context.name_field_width = std::max(context.name_field_width, name.size() + std::string_view("/real_time").size());
  }
  context_ = as_json("", "]}", [&](auto& reporter) { reporter.ReportContext(context); }).at("context");
  context_["ceilings"] = ceilings;
  write_context();
  if (next_ != nullptr) next_->ReportContext(context);
}

void RunReporter::write_context() {
  std::string text;
  for (const Skipped& s : skipped_) text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", s.name, s.text);
  context_["skipped"] = text;
  try {
    file_.set_context(context_);
  } catch (const EnvironmentError& error) {
    file_error_ = error.what();
  }
}

void RunReporter::skip(Skipped skipped) {
  if (!draft_) skipped_.push_back(std::move(skipped));
}

void RunReporter::tell(const std::string& name, const Run& row, const Json& extras) {
  progress_.finish(name, outcome_of(row, parse_case_name(name), extras), remarks_on(row, extras));
}

void RunReporter::forward(const std::vector<Run>& runs, bool aggregates_only) {
  if (next_ == nullptr || (aggregates_only && runs.size() > 1 && runs.front().run_type != Run::RT_Aggregate)) return;
  next_->ReportRuns(runs);
  next_->GetOutputStream().flush();  // a killed process leaves what it reported
}

void RunReporter::write(const std::vector<Run>& runs, const RowExtras& extras) {
  if (!file_error_.empty()) return;
  try {
    Json rows = as_json("[", "]", [&](auto& reporter) { reporter.ReportRuns(runs); });
    for (Json& row : rows) {
      row.update(extras.fields);
      add_roofs(row, context_.value("ceilings", Json::array()));
    }
    if (draft_)
      draft_->insert(draft_->end(), rows.begin(), rows.end());
    else
      file_.add_rows(rows);
  } catch (const EnvironmentError& error) {
    file_error_ = error.what();
  }
}

void RunReporter::ReportRuns(const std::vector<Run>& reported) {
  std::vector<Run> runs = reported;
  const std::string name = runs.front().run_name.function_name;
  const RowExtras& extras = extras_[name];
  for (Run& run : runs) {
    name_row(run, extras.in_worker, places_[name]);
    settle_counters(run);
    if (run.aggregate_name == "median") take_shares_of_median(run, turns_);
  }
  // Aggregates come apart from the repetitions that they are of.
  const bool aggregated = runs.front().run_type == Run::RT_Aggregate;
  if (!aggregated) turns_ = runs;
  const auto summary =
      std::find_if(runs.begin(), runs.end(), [](const Run& r) { return r.aggregate_name == "median"; });
  if (!draft_ && (aggregated ? summary != runs.end() : runs.size() == 1))
    tell(name, aggregated ? *summary : runs.front(), extras.fields);
  if (!draft_) forward(runs, aggregates_.file_too || aggregates_.display);
  if (!(aggregates_.file_too && !aggregated && runs.size() > 1)) write(runs, extras);
}

void RunReporter::draft(const std::function<void()>& report) {
  if (!file_.is_kept() || !file_error_.empty()) return;
  draft_ = Json::array();
  report();
  const Json rows = *std::exchange(draft_, std::nullopt);
  try {
    file_.set_unfinished(rows);
  } catch (const EnvironmentError& error) {
    file_error_ = error.what();
  }
}

void RunReporter::end() {
  progress_.clear_line();
  if (file_error_.empty()) write_context();
  if (next_ != nullptr) next_->Finalize();
}

}  // namespace attn::bench
