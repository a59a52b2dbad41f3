#include "gate/worker_side.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <wordexp.h>

#include <algorithm>
#include <fstream>
#include <string_view>

#include "base/errors.hpp"

namespace attn::bench::gate {
namespace {

// The stack begins below the environment: a few bytes more of it move every frame, which some loops feel.
constexpr std::uint64_t kMostPadding = 4096;

// Of all cores since the machine started; 0 where the system does not tell.
double stolen_ns() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  if (!(file >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal)) return 0;
  return steal * 1e9 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

template <class Request>
auto WorkerSide::ask(const Request& request) {
  try {
    return request();
  } catch (const WorkerError& error) {
    fail(error.what());
  }
}

WorkerSide::WorkerSide(std::string name, WorkerCommand command, const WorkerOptions& options)
    : name_(std::move(name)),
      program_(fmt::format("{}", fmt::join(command.words, " "))),
      worker_(std::move(command), InputOrigin(InputOptions{.seed = options.seed, .tensors = {}}),
              options.hang_seconds) {}

Facts WorkerSide::launch(std::uint64_t seed) {
  const std::string padding(seed % kMostPadding, 'x');
  try {
    worker_.launch({"ATTN_GATE_PADDING=" + padding});
  } catch (const WorkerError& error) {
    if (error.usage) throw UsageError(error.what());
    fail(fmt::format("{} (is '{}' an attnbench that knows the command worker?)", error.what(), program_));
  }
  return ask([&] { return worker_.facts(); });
}

void WorkerSide::prep(const std::string& name) {
  const auto passed = passed_.find(name);
  const Worker::Prepared prepared = ask([&] {
    return worker_.prepare(name, 0, passed == passed_.end() ? std::nullopt : std::optional(passed->second.checksum));
  });
  if (!prepared.verdict.passed) throw WrongResult(fmt::format("{}: {}", name_, prepared.verdict.failure));
  // Outputs that were seen before are not held against the oracle again, and have no error then.
  const double error = std::max(scaled_error(name), prepared.verdict.max_scaled_err);
  passed_[name] = {.checksum = prepared.checksum, .scaled_error = error};
}

double WorkerSide::scaled_error(const std::string& name) const {
  const auto passed = passed_.find(name);
  return passed == passed_.end() ? 0 : passed->second.scaled_error;
}

Chunk WorkerSide::run(const std::string& name, std::int64_t iterations) {
  const double stolen = stolen_ns();
  const Measurement m = ask([&] { return worker_.measure_plainly(name, iterations); });
  if (!m.verdict.passed) throw WrongResult(fmt::format("{}: {}", name_, m.verdict.failure));
  if (!(m.wall_seconds > 0)) fail(fmt::format("claims that {} calls took {} s", iterations, m.wall_seconds));
  return {.wall_ns = 1e9 * m.wall_seconds,
          .cpu_ns = 1e9 * m.cpu_seconds / parse_case_name(name).threads,
          .steal_ns = stolen_ns() - stolen,
          .involuntary_switches = m.involuntary_switches,
          .page_faults = m.page_faults};
}

std::vector<const Variant*> WorkerSide::table() {
  return ask([&] {
    std::vector<const Variant*> table = worker_.variants();
    for (const Worker::PluginRows& plugin : worker_.plugins())
      table.insert(table.end(), plugin.variants.begin(), plugin.variants.end());
    return table;
  });
}

Worker::Prediction WorkerSide::predict(const Case& c) {
  return ask([&] { return worker_.predict(case_name(c)); });
}

void WorkerSide::fail(const std::string& what) const { throw SideFailure(fmt::format("the {} {}", name_, what)); }

WorkerCommand parse_worker_command(const std::string& what, const std::string& command_line) {
  wordexp_t expanded{};
  const int error = wordexp(command_line.c_str(), &expanded, WRDE_NOCMD | WRDE_UNDEF);
  std::vector<std::string> words;
  if (error == 0) words.assign(expanded.we_wordv, expanded.we_wordv + expanded.we_wordc);
  if (error == 0 || error == WRDE_NOSPACE) wordfree(&expanded);
  if (error != 0 || words.empty())
    throw UsageError(
        fmt::format("{} '{}' is no command line: {}; valid: the attnbench of a build, such as build/bench/attnbench",
                    what, command_line,
                    error == 0              ? "it is empty"
                    : error == WRDE_BADVAL  ? "it names a variable that is not set"
                    : error == WRDE_CMDSUB  ? "commands are not substituted"
                    : error == WRDE_BADCHAR ? "it has one of |&;<>(){} or a line break outside of quotes"
                                            : "a quote is not closed"));
  if (std::find(words.begin(), words.end(), "worker") == words.end()) words.emplace_back("worker");
  return {.words = std::move(words)};
}

}  // namespace attn::bench::gate
