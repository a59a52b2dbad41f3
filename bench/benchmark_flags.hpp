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
  bool list_only = false;
  std::vector<std::string> passed_on;
};

// Throws UsageError naming the flag, the value and what would be valid.
BenchmarkFlags parse_benchmark_flags(const std::vector<std::string>& flags);

}  // namespace attn::bench
