#include "commands/benchmark_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "base/errors.hpp"
#include "base/printable.hpp"
#include "base/window.hpp"
#include "results/context_keys.hpp"

namespace attn::bench {
namespace {

// But for --v, whose variable is called V, as that of many builds.
constexpr std::array kOfEnvironment = {"benchmark_list_tests",
                                       "benchmark_filter",
                                       "benchmark_min_time",
                                       "benchmark_min_warmup_time",
                                       "benchmark_repetitions",
                                       "benchmark_enable_random_interleaving",
                                       "benchmark_report_aggregates_only",
                                       "benchmark_display_aggregates_only",
                                       "benchmark_format",
                                       "benchmark_out",
                                       "benchmark_out_format",
                                       "benchmark_color",
                                       "benchmark_counters_tabular",
                                       "benchmark_perf_counters",
                                       "benchmark_time_unit"};

template <class T>
T parse_number(const std::string& flag, const std::string& value, bool may_be_zero = false) {
  std::istringstream in(value);
  T number{};
  const bool read = in >> number && in.eof();
  if (!read || !(number > T{0} || (may_be_zero && number == T{0})) || !(number < T{1'000'000}))
    throw UsageError(
        fmt::format("{}={} is not a number between 0 and 1000000{}", flag, value, may_be_zero ? ", or 0" : ""));
  return number;
}

std::string one_of(const std::string& flag, const std::string& value, const std::vector<std::string>& valid) {
  if (std::find(valid.begin(), valid.end(), value) == valid.end())
    throw UsageError(fmt::format("{}={} is not known; valid: {}", flag, value, fmt::join(valid, ", ")));
  return value;
}

// As the library reads it, except that what is neither true nor false is not true.
std::optional<bool> truth(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* word : {"", "true", "yes", "on", "1", "t", "y"})
    if (value == word) return true;
  for (const char* word : {"false", "no", "off", "0", "f", "n"})
    if (value == word) return false;
  return std::nullopt;
}

bool is_true(const std::string& flag, const std::string& value) {
  if (const std::optional<bool> parsed = truth(value)) return *parsed;
  throw UsageError(fmt::format("{}={} is not known; valid: true, false", flag, value));
}

std::optional<bool> parse_color(const std::string& flag, const std::string& value) {
  if (value == "auto") return std::nullopt;
  if (const std::optional<bool> parsed = truth(value); parsed && !value.empty()) return *parsed;
  throw UsageError(fmt::format("{}={} is not known; valid: auto, true, false", flag, value));
}

benchmark::TimeUnit parse_time_unit(const std::string& flag, const std::string& value) {
  const std::map<std::string, benchmark::TimeUnit> units = {{"ns", benchmark::kNanosecond},
                                                            {"us", benchmark::kMicrosecond},
                                                            {"ms", benchmark::kMillisecond},
                                                            {"s", benchmark::kSecond}};
  return units.at(one_of(flag, value, {"ns", "us", "ms", "s"}));
}

// KEY=VALUE,KEY=VALUE; a value may hold further '='.
void add_context(BenchmarkFlags& parsed, const std::string& flag, const std::string& value) {
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    const std::string pair = value.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = pair.find('=');
    const std::string key = printable(pair.substr(0, equals));
    if (equals == std::string::npos || key.empty())
      throw UsageError(fmt::format("{}={}: '{}' is no KEY=VALUE; valid: KEY=VALUE,KEY=VALUE", flag, value, pair));
    if (is_reserved_context_key(key))
      throw UsageError(
          fmt::format("{}={}: the key {} is reserved; so are: {}", flag, value, key, reserved_context_keys()));
    if (!parsed.context.emplace(key, printable(pair.substr(equals + 1))).second)
      throw UsageError(fmt::format("{}={}: the key {} is given twice", flag, value, key));
  }
}

bool needs_value(const std::string& name) {
  for (const char* flag : {"out", "out_format", "format", "filter", "color", "context", "time_unit", "perf_counters"})
    if (name == fmt::format("--benchmark_{}", flag)) return true;
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
    if (equals == std::string::npos && needs_value(name))
      throw UsageError(fmt::format("{} lacks its value; valid: {}=VALUE", name, name));
    if (name == "--benchmark_out") {
      if (value.empty()) throw UsageError("--benchmark_out= names no file");
      parsed.out = value;
    } else if (name == "--benchmark_out_format") {
      parsed.out_format = one_of(name, value, formats);
    } else if (name == "--benchmark_filter") {
      parsed.filter = value;
    } else if (name == "--benchmark_context") {
      add_context(parsed, name, value);
    } else if (name == "--benchmark_min_time") {
      parsed.min_time_seconds = parse_number<double>(name, value);
    } else if (name == "--benchmark_min_warmup_time") {
      parsed.warmup_seconds = parse_number<double>(name, value, true);
    } else if (name == "--benchmark_repetitions") {
      parsed.repetitions = parse_number<int>(name, value);
    } else if (name == "--benchmark_report_aggregates_only") {
      parsed.aggregates.file_too = is_true(name, value);
    } else if (name == "--benchmark_display_aggregates_only") {
      parsed.aggregates.display = is_true(name, value);
    } else if (name == "--benchmark_enable_random_interleaving") {
      is_true(name, value);  // cases take turns in random order whatever it says
    } else if (name == "--benchmark_list_tests") {
      parsed.list_only = is_true(name, value);
      parsed.passed_on.push_back(flag);
    } else {
      if (name == "--benchmark_format") parsed.format = one_of(name, value, formats);
      if (name == "--benchmark_counters_tabular") parsed.tabular = is_true(name, value);
      if (name == "--benchmark_color") parsed.color = parse_color(name, value);
      if (name == "--benchmark_time_unit") parsed.time_unit = parse_time_unit(name, value);
      if (name == "--benchmark_perf_counters" && !value.empty())
        throw UsageError(fmt::format(
            "{}={}: Google Benchmark would count what it does between the calls, not the kernels; use perf stat", name,
            value));
      parsed.passed_on.push_back(flag);
    }
  }
  if (parsed.out.empty() && parsed.out_format != "json")
    throw UsageError(fmt::format("--benchmark_out_format={} needs --benchmark_out=FILE", parsed.out_format));
  return parsed;
}

std::vector<std::string> benchmark_flags_of_environment() {
  // The library adds it as it stands, reserved keys and all, and there is no taking it out again.
  if (std::getenv("BENCHMARK_CONTEXT") != nullptr)
    throw UsageError("BENCHMARK_CONTEXT is set: unset it, and give context by --benchmark_context=KEY=VALUE");
  std::vector<std::string> flags;
  for (const std::string name : kOfEnvironment) {
    std::string variable = name;
    std::transform(variable.begin(), variable.end(), variable.begin(), [](unsigned char c) { return std::toupper(c); });
    if (const char* value = std::getenv(variable.c_str())) flags.push_back(fmt::format("--{}={}", name, value));
  }
  return flags;
}

bool wants_color(const BenchmarkFlags& flags) { return flags.color.value_or(wants_color(STDOUT_FILENO)); }

}  // namespace attn::bench
