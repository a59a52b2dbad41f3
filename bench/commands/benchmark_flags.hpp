// The flags of Google Benchmark that `run` must know itself, and the values that the library would misread: it takes NaN
// for a warm-up, ends with 0 on a time unit that it does not know, and lets a user's context replace ours. Those that say
// what is measured, and when, and where it is written to are not passed on: cases take turns (passes.hpp), and Google
// Benchmark is told what they gave.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <optional>
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
  bool tabular = false;       // counters in columns, by the console format
  std::optional<bool> color;  // empty: where the output is a terminal
  benchmark::TimeUnit time_unit = benchmark::kMicrosecond;
  std::map<std::string, std::string> context;  // as it may be printed; no key is ours
  std::vector<std::string> passed_on;
};

// Throws UsageError naming the flag, the value and what would be valid.
BenchmarkFlags parse_benchmark_flags(const std::vector<std::string>& flags);

// The same flags where the environment gives them (BENCHMARK_REPETITIONS=3), as the library itself takes them; to be
// parsed before those of the command line.
std::vector<std::string> benchmark_flags_of_environment();

// Whether what goes to standard output is coloured.
bool wants_color(const BenchmarkFlags& flags);

}  // namespace attn::bench
