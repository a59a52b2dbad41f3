#include "benchmark_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

bool is_true(const std::string& value) { return value.empty() || value == "true" || value == "1"; }

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
    if (name == "--benchmark_format") parsed.format = one_of(name, value, formats);
    if (name == "--benchmark_filter") parsed.filter = value;
    if (name == "--benchmark_min_time") parsed.min_time_seconds = parse_number<double>(name, value);
    if (name == "--benchmark_repetitions")
      parsed.repetitions = parse_number<int>(name, value), parsed.repetitions_given = true;
    if (name == "--benchmark_enable_random_interleaving") parsed.interleaved = is_true(value);
    if (name == "--benchmark_list_tests") parsed.list_only = is_true(value);
    parsed.passed_on.push_back(flag);
  }
  return parsed;
}

void take_repetitions(BenchmarkFlags& flags, int of_sweep) {
  if (flags.repetitions_given || of_sweep <= flags.repetitions) return;
  flags.repetitions = of_sweep;
  std::erase_if(flags.passed_on,
                [](const std::string& flag) { return flag.rfind("--benchmark_repetitions=", 0) == 0; });
  flags.passed_on.push_back(fmt::format("--benchmark_repetitions={}", of_sweep));
  if (!flags.interleaved) flags.passed_on.emplace_back("--benchmark_enable_random_interleaving=true");
  flags.interleaved = true;
}

}  // namespace attn::bench
