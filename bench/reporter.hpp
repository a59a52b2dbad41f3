// RunReporter: takes what Google Benchmark measured, writes the result file after every row, and tells a person how far
// the run has come.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan.hpp"
#include "result_file.hpp"

namespace attn::bench {

// Errors that begin so mean that a case was never measured: it becomes a skipped case, not a failed row.
inline constexpr const char* kNotRun = "not run: ";

// Counter with the CPU seconds of a call in a worker; the reporter makes it the row's cpu_time.
inline constexpr const char* kWorkerCpuSeconds = "worker_cpu_seconds";

// Progress on stderr: one rewritten line with ETA on a terminal, plain lines elsewhere.
class Progress {
 public:
  // `turns` of every case are taken in random order, and all of them finish at the end.
  explicit Progress(const std::vector<PlannedCase>& cases, int turns = 1);
  // Steps that are no single cases, with the seconds predicted for each.
  explicit Progress(const std::vector<std::pair<std::string, double>>& steps);
  void begin(const std::string& name);
  void finish(const std::string& name, const std::string& outcome);
  void clear_line() const;
  double elapsed_seconds() const;

 private:
  double remaining_seconds() const;
  void credit(const std::string& name);

  bool terminal_;
  std::size_t turns_ = 1, begun_ = 0;
  std::string current_;
  std::size_t total_, done_ = 0;
  std::map<std::string, double> predicted_;
  double predicted_total_ = 0, predicted_done_ = 0;
  std::chrono::steady_clock::time_point begin_;
};

class RunReporter : public benchmark::BenchmarkReporter {
 public:
  // `next` receives everything as well (what --benchmark_format asked for); may be null.
  RunReporter(ResultFile& file, Progress& progress, std::vector<Skipped> skipped, benchmark::BenchmarkReporter* next);

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

  const std::vector<Skipped>& skipped() const { return skipped_; }
  // What ended the writing of the file early; empty while all is well.
  const std::string& file_error() const { return file_error_; }

 private:
  void write_context();

  ResultFile& file_;
  Progress& progress_;
  std::vector<Skipped> skipped_;
  benchmark::BenchmarkReporter* next_;
  Json context_;
  std::string file_error_;
};

}  // namespace attn::bench
