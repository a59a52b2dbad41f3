#include "reporter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <utility>

#include "errors.hpp"
#include "slices.hpp"

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

std::string clock_time(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::max(seconds, 0.0)));
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string outcome_of(const benchmark::BenchmarkReporter::Run& run) {
  if (run.error_occurred) return "FAILED: " + run.error_message;
  const auto counter = [&](const char* name) { return run.counters.count(name) ? run.counters.at(name).value : 0.0; };
  const bool decode = run.counters.count("pct_bandwidth") > 0;
  const double share = counter(decode ? "pct_bandwidth" : "pct_peak");
  return fmt::format("{:8.3g} GFLOP/s {:5.1f} % of {}, error {:.1e}{}", counter("flops") / 1e9, share,
                     decode ? "bandwidth" : "peak", counter("max_scaled_err"),
                     run.report_label.find(kRulerFault) != std::string::npos ? ", RULER AT FAULT: above 100 %" : "");
}

std::vector<std::pair<std::string, double>> steps_of(const std::vector<PlannedCase>& cases) {
  std::vector<std::pair<std::string, double>> steps;
  for (const PlannedCase& planned : cases) steps.emplace_back(case_name(planned.c), planned.total_seconds);
  return steps;
}

// The row's name without /real_time, or /manual_time from a worker, and what follows.
std::string without_suffix(const std::string& name) {
  return name.substr(0, std::min(name.rfind("/real_time"), name.rfind("/manual_time")));
}

// Google Benchmark's CPU time is that of this process; what a worker used comes as a counter. And the coefficient of
// variation of a counter that is 0 is NaN, which JSON has no word for.
std::vector<benchmark::BenchmarkReporter::Run> as_they_go_into_the_file(
    std::vector<benchmark::BenchmarkReporter::Run> runs) {
  for (auto& run : runs) {
    std::erase_if(run.counters, [](const auto& entry) { return !std::isfinite(entry.second.value); });
    const auto counter = run.counters.find(kWorkerCpuSeconds);
    if (counter == run.counters.end()) continue;
    // The counter is of a call, the field of all iterations; a coefficient of variation is printed as it is.
    const bool percentage = run.aggregate_unit == benchmark::kPercentage;
    run.cpu_accumulated_time = counter->second.value * (percentage ? 1 : static_cast<double>(run.iterations));
    run.counters.erase(counter);
  }
  return runs;
}

}  // namespace

Progress::Progress(const std::vector<PlannedCase>& cases, int turns) : Progress(steps_of(cases)) {
  turns_ = static_cast<std::size_t>(turns);
}

Progress::Progress(const std::vector<std::pair<std::string, double>>& steps)
    : terminal_(isatty(STDERR_FILENO)), total_(steps.size()), begin_(std::chrono::steady_clock::now()) {
  for (const auto& [name, seconds] : steps) {
    predicted_[name] = seconds;
    predicted_total_ += seconds;
  }
}

double Progress::elapsed_seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

// The prediction for what is left, corrected by how the prediction fared so far.
double Progress::remaining_seconds() const {
  const double left = predicted_total_ - predicted_done_;
  return predicted_done_ > 0 ? left * std::clamp(elapsed_seconds() / predicted_done_, 0.1, 10.0) : left;
}

// A turn that is over counts with its share of the case's prediction.
void Progress::credit(const std::string& name) {
  if (const auto seconds = predicted_.find(name); seconds != predicted_.end())
    predicted_done_ += seconds->second / static_cast<double>(turns_);
}

void Progress::begin(const std::string& name) {
  if (!current_.empty()) credit(current_);
  current_ = name;
  const std::size_t all = total_ * turns_;
  ++begun_;
  if (terminal_)
    fmt::print(stderr, "\r\033[K[{}/{}] ETA {} {}", begun_, all, clock_time(remaining_seconds()), name);
  else if (turns_ > 1 && (begun_ - 1) * 10 / all != begun_ * 10 / all)  // cases report at the end only
    fmt::print(stderr, "{} of {} turns begun, ETA {}\n", begun_, all, clock_time(remaining_seconds()));
}

void Progress::finish(const std::string& name, const std::string& outcome) {
  ++done_;
  if (name == current_) credit(std::exchange(current_, ""));
  clear_line();
  fmt::print(stderr, "[{:>{}}/{}] ETA {:>5} {}  {}\n", done_, fmt::formatted_size("{}", total_), total_,
             clock_time(remaining_seconds()), outcome, name);
}

void Progress::clear_line() const {
  if (terminal_) fmt::print(stderr, "\r\033[K");
}

RunReporter::RunReporter(ResultFile& file, Progress& progress, std::vector<Skipped> skipped,
                         benchmark::BenchmarkReporter* next)
    : file_(file), progress_(progress), skipped_(std::move(skipped)), next_(next) {}

bool RunReporter::ReportContext(const Context& context) {
  context_ = as_json("", "]}", [&](auto& reporter) { reporter.ReportContext(context); }).at("context");
  write_context();
  return next_ == nullptr || next_->ReportContext(context);
}

void RunReporter::write_context() {
  std::string text;
  for (const Skipped& s : skipped_) text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", s.name, s.reason);
  context_["skipped"] = text;
  try {
    file_.set_context(context_);
  } catch (const EnvironmentError& error) {
    file_error_ = error.what();
  }
}

void RunReporter::ReportRuns(const std::vector<Run>& runs) {
  const Run& first = runs.front();
  const std::string name = without_suffix(first.benchmark_name());
  if (first.error_occurred && first.error_message.rfind(kNotRun, 0) == 0) {
    skipped_.push_back({name, first.error_message.substr(std::string_view(kNotRun).size())});
    return;
  }
  // Aggregates come apart from the repetitions that they are of.
  if (first.run_type != Run::RT_Aggregate) progress_.finish(name, outcome_of(first));
  const std::vector<Run> own = as_they_go_into_the_file(runs);
  if (next_ != nullptr) next_->ReportRuns(own);
  if (!file_error_.empty()) return;
  try {
    file_.add_rows(as_json("[", "]", [&](auto& reporter) { reporter.ReportRuns(own); }));
  } catch (const EnvironmentError& error) {
    file_error_ = error.what();
  }
}

void RunReporter::Finalize() {
  progress_.clear_line();
  if (file_error_.empty()) write_context();
  if (next_ != nullptr) next_->Finalize();
}

}  // namespace attn::bench
