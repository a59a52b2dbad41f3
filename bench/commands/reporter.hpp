// RunReporter: takes what Google Benchmark measured, writes the result file after every row, and tells a person how far
// the run has come.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/timing.hpp"
#include "commands/benchmark_flags.hpp"
#include "commands/plan.hpp"
#include "results/result_file.hpp"

namespace attn::bench {

// Counter with the CPU seconds of a call in a worker; the reporter makes it the row's cpu_time.
inline constexpr const char* kWorkerCpuSeconds = "worker_cpu_seconds";

// Progress on stderr: one rewritten line with ETA on a terminal, plain lines elsewhere.
class Progress {
 public:
  explicit Progress(const std::vector<PlannedCase>& cases);
  // Steps that are no single cases, with the seconds predicted for each.
  explicit Progress(const std::vector<std::pair<std::string, double>>& steps);
  // A step, or one of its turns: they may alternate with those of others.
  void begin(const std::string& name, int turns = 1);
  void finish(const std::string& name, const std::string& outcome, const std::string& remarks = {});
  void clear_line() const;
  double elapsed_seconds() const;

 private:
  struct Step {
    double predicted = 0, credited = 0;  // seconds; what of them counts as done
  };
  double remaining_seconds() const;
  void credit(Step& step, double seconds);

  bool terminal_;
  std::string current_;
  int current_turns_ = 1;
  std::size_t total_, done_ = 0;
  Clock::time_point told_;
  std::map<std::string, Step> steps_;
  double predicted_total_ = 0, predicted_done_ = 0;
  Clock::time_point begin_;
};

// What a case's rows have beside what Google Benchmark writes.
struct RowExtras {
  Json fields = Json::object();
  bool in_worker = false;  // its time is the worker's: /manual_time
};

class RunReporter : public benchmark::BenchmarkReporter {
 public:
  // `next` receives everything as well (what --benchmark_format asked for); may be null.
  RunReporter(ResultFile& file, Progress& progress, std::vector<Skipped> skipped, benchmark::BenchmarkReporter* next,
              const Aggregates& aggregates);

  // Before the first case; `ceilings` go into the file's context. Google Benchmark calls ReportContext and Finalize for every group: they do nothing.
  void begin(const std::vector<PlannedCase>& cases, const Json& ceilings);
  // For the rows of a case that are to come.
  void expect(const std::string& case_name, RowExtras extras) { extras_[case_name] = std::move(extras); }
  // A case of the plan that was not reached: it has no row.
  void skip(Skipped skipped);
  void end();

  // What `report` reports goes into the file as unfinished, and nowhere else.
  void draft(const std::function<void()>& report);

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override {}

  const std::vector<Skipped>& skipped() const { return skipped_; }
  // What ended the writing of the file early; empty while all is well.
  const std::string& file_error() const { return file_error_; }

 private:
  void write_context();
  void tell(const std::string& name, const Run& row, const Json& extras);
  void forward(const std::vector<Run>& runs, bool aggregates_only);
  void write(const std::vector<Run>& runs, const RowExtras& extras);

  ResultFile& file_;
  Progress& progress_;
  std::vector<Skipped> skipped_;
  benchmark::BenchmarkReporter* next_;
  Aggregates aggregates_;
  std::map<std::string, RowExtras> extras_;
  std::map<std::string, std::int64_t> places_;  // of the cases in the plan
  std::vector<Run> turns_;                      // of the case whose aggregates come next
  Json context_;
  std::optional<Json> draft_;  // rows, while there is one
  std::string file_error_;
};

}  // namespace attn::bench
