// The flags of Google Benchmark that `run` must know itself. All are passed on but for the output file, which is
// written after every row rather than at the end.
#pragma once

#include <string>
#include <vector>

namespace attn::bench {

struct BenchmarkFlags {
  std::string out, out_format = "json", format, filter;
  double min_time_seconds = 0;  // 0: not given
  int repetitions = 1;
  bool repetitions_given = false;
  bool interleaved = false;  // repetitions of all cases in random order
  bool list_only = false;
  std::vector<std::string> passed_on;
};

// Throws UsageError naming the flag, the value and what would be valid.
BenchmarkFlags parse_benchmark_flags(const std::vector<std::string>& flags);

// What a sweep wants, where the command line does not say otherwise: so many repetitions in random order.
void take_repetitions(BenchmarkFlags& flags, int of_sweep);

}  // namespace attn::bench
