// The flags of Google Benchmark that `run` must know itself. Those that say what is measured, and when, and where it is
// written to are not passed on: cases take turns (passes.hpp), and Google Benchmark is told what they gave.
#pragma once

#include <string>
#include <vector>

namespace attn::bench {

// Rows of single repetitions are left out where there are aggregates of them: of what --benchmark_format shows, and of
// the file too.
struct Aggregates {
  bool display = false, file_too = false;
};

struct BenchmarkFlags {
  std::string out, out_format = "json", format, filter;
  double min_time_seconds = 0;  // 0: not given
  double warmup_seconds = 0;    // of each case
  int repetitions = 0;          // 0: not given
  Aggregates aggregates;
  bool list_only = false;
  std::vector<std::string> passed_on;
};

// Throws UsageError naming the flag, the value and what would be valid.
BenchmarkFlags parse_benchmark_flags(const std::vector<std::string>& flags);

}  // namespace attn::bench
