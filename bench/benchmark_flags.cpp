#include "benchmark_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "errors.hpp"

namespace attn::bench {
namespace {

template <class T>
T parse_number(const std::string& flag, const std::string& value) {
  std::istringstream in(value);
  T number{};
  if (!(in >> number) || !in.eof() || !(number > T{0}) || !(number < T{1'000'000}))
    throw UsageError(fmt::format("{}={} is not a number between 0 and 1000000", flag, value));
  return number;
}

std::string one_of(const std::string& flag, const std::string& value, const std::vector<std::string>& valid) {
  if (std::find(valid.begin(), valid.end(), value) == valid.end())
    throw UsageError(fmt::format("{}={} is not known; valid: {}", flag, value, fmt::join(valid, ", ")));
  return value;
}

// As Google Benchmark reads them.
bool is_true(const std::string& flag, std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::vector<std::string> yes = {"", "1", "t", "true", "y", "yes", "on"};
  if (std::find(yes.begin(), yes.end(), value) != yes.end()) return true;
  one_of(flag, value, {"true", "false", "1", "0", "t", "f", "yes", "no", "y", "n", "on", "off"});
  return false;
}

}  // namespace

BenchmarkFlags parse_benchmark_flags(const std::vector<std::string>& flags) {
  const std::vector<std::string> formats = {"json", "console", "csv"};
  BenchmarkFlags parsed;
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    const std::string name = flag.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : flag.substr(equals + 1);
    if (name == "--benchmark_out") {
      parsed.out = value;
      continue;
    }
    if (name == "--benchmark_out_format") {
      parsed.out_format = one_of(name, value, formats);
      continue;
    }
    if (name == "--benchmark_filter") {
      parsed.filter = value;
      continue;
    }
    if (name == "--benchmark_min_time") {
      parsed.min_time_seconds = parse_number<double>(name, value);
      continue;
    }
    if (name == "--benchmark_min_warmup_time") {
      parsed.warmup_seconds = value == "0" ? 0 : parse_number<double>(name, value);
      continue;
    }
    if (name == "--benchmark_repetitions") {
      parsed.repetitions = parse_number<int>(name, value);
      continue;
    }
    if (name == "--benchmark_report_aggregates_only") {
      parsed.aggregates.file_too = is_true(name, value);
      continue;
    }
    if (name == "--benchmark_display_aggregates_only") {
      parsed.aggregates.display = is_true(name, value);
      continue;
    }
    // Cases take turns in random order whatever it says.
    if (name == "--benchmark_enable_random_interleaving") continue;
    if (name == "--benchmark_perf_counters" && !value.empty())
      throw UsageError(name + ": Google Benchmark would count what it does between the calls, not the kernels");
    if (name == "--benchmark_format") parsed.format = one_of(name, value, formats);
    if (name == "--benchmark_list_tests") parsed.list_only = is_true(name, value);
    parsed.passed_on.push_back(flag);
  }
  return parsed;
}

}  // namespace attn::bench
