// Google Benchmark's flags as `run` takes them: values that the library would misread, and context that would stand for ours.
#include "commands/benchmark_flags.hpp"

#include <cstdlib>

#include "base/errors.hpp"
#include "catch.hpp"

namespace attn::test {

using bench::parse_benchmark_flags;

TEST_CASE("context of the user is taken, escaped, and refused under keys that are ours", "[benchmark_flags]") {
  using Context = std::map<std::string, std::string>;
  const auto context = [](const std::string& text) {
    return parse_benchmark_flags({"--benchmark_context=" + text}).context;
  };
  CHECK(context("commit=abc,options=-O3 -march=x") == Context{{"commit", "abc"}, {"options", "-O3 -march=x"}});
  CHECK(context("note=\033[31m\xff,\x01=") == Context{{"note", "\\x1b[31m\\xff"}, {"\\x01", ""}});
  CHECK(parse_benchmark_flags({"--benchmark_context=a=1"}).passed_on.empty());
  const auto key =
      GENERATE("seed", "revision", "attnbench_schema", "attnbench_anything", "cpu", "flags", "skipped", "plugins",
               "tensors_hash", "fma_peak_avx2_threads_1", "read_bandwidth_avx2_threads_2", "date", "caches");
  const auto of_the_user = [&] { context(std::string("mine=1,") + key + "=99"); };
  CHECK_THROWS_WITH(of_the_user(), Catch::Matchers::ContainsSubstring("is reserved; so are: "));
  CHECK_THROWS_WITH(of_the_user(), Catch::Matchers::ContainsSubstring("fma_peak_*"));
  for (const char* text : {"", "a", "=1", "a=1,b", "a=1,,b=2", "a=1,a=2"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(context(text), bench::UsageError);
  }
}

TEST_CASE("a value that Google Benchmark would misread is refused with what is valid", "[benchmark_flags]") {
  const auto [flag, valid] = GENERATE(table<const char*, const char*>({
      {"--benchmark_time_unit=min", "valid: ns, us, ms, s"},
      {"--benchmark_color=", "valid: auto, true, false"},
      {"--benchmark_color=red", "valid: auto, true, false"},
      {"--benchmark_format=xml", "valid: json, console, csv"},
      {"--benchmark_min_warmup_time=nan", "or 0"},
      {"--benchmark_min_warmup_time=-1", "or 0"},
      {"--benchmark_min_warmup_time=inf", "or 0"},
      {"--benchmark_min_time=0", "between 0 and"},
      {"--benchmark_repetitions=1.5", "between 0 and"},
      {"--benchmark_repetitions=", "between 0 and"},
      {"--benchmark_list_tests=maybe", "valid: true, false"},
      {"--benchmark_counters_tabular=2", "valid: true, false"},
      {"--benchmark_report_aggregates_only=nope", "valid: true, false"},
      {"--benchmark_display_aggregates_only=nope", "valid: true, false"},
      {"--benchmark_enable_random_interleaving=nope", "valid: true, false"},
      {"--benchmark_out", "valid: --benchmark_out=VALUE"},
      {"--benchmark_out=", "names no file"},
      {"--benchmark_filter", "valid: --benchmark_filter=VALUE"},
      {"--benchmark_out_format=csv", "needs --benchmark_out=FILE"},
  }));
  CAPTURE(flag);
  CHECK_THROWS_WITH(parse_benchmark_flags({flag}), Catch::Matchers::ContainsSubstring(valid));
}

TEST_CASE("truths are read as Google Benchmark reads them, the last of two flags holds", "[benchmark_flags]") {
  for (const char* text : {"--benchmark_list_tests", "--benchmark_list_tests=YES", "--benchmark_list_tests=on"})
    CHECK(parse_benchmark_flags({text}).list_only);
  for (const char* text : {"--benchmark_list_tests=False", "--benchmark_list_tests=0", "--benchmark_list_tests=off"})
    CHECK(!parse_benchmark_flags({"--benchmark_list_tests", text}).list_only);
  CHECK(parse_benchmark_flags({"--benchmark_color=no"}).color == false);
  CHECK(parse_benchmark_flags({"--benchmark_color=auto"}).color == std::nullopt);
  CHECK(parse_benchmark_flags({"--benchmark_time_unit=ms"}).time_unit == benchmark::kMillisecond);
}

TEST_CASE("flags of the environment are those of the command line", "[benchmark_flags]") {
  using bench::benchmark_flags_of_environment;
  CHECK(benchmark_flags_of_environment().empty());
  setenv("BENCHMARK_REPETITIONS", "3", 1);
  setenv("BENCHMARK_OUT", "x.json", 1);
  const auto flags = parse_benchmark_flags(benchmark_flags_of_environment());
  CHECK(flags.repetitions == 3);
  CHECK(flags.out == "x.json");
  setenv("BENCHMARK_CONTEXT", "seed=99", 1);
  CHECK_THROWS_WITH(benchmark_flags_of_environment(), Catch::Matchers::ContainsSubstring("unset it"));
  for (const char* name : {"BENCHMARK_REPETITIONS", "BENCHMARK_OUT", "BENCHMARK_CONTEXT"}) unsetenv(name);
}

}  // namespace attn::test
