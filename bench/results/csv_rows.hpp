// CsvRows: Google Benchmark's CSV of a run whose rows have different counters. Its own reporter takes the columns from the
// first row and ends the program at a counter that it did not announce, so the rows are handed over together, at the end.
#pragma once

#include <benchmark/benchmark.h>

#include <vector>

namespace attn::bench {

class CsvRows : public benchmark::BenchmarkReporter {
 public:
  ~CsvRows() override;  // writes what a run that ended early has not
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  std::vector<Run> runs_;
};

}  // namespace attn::bench
