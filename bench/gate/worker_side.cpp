#include "gate/worker_side.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <wordexp.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <thread>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/printable.hpp"
#include "measure/calibration.hpp"
#include "measure/measurement.hpp"
#include "workers/worker.hpp"

namespace attn::bench::gate {
namespace {

// Loading plugins, or the way to another machine.
constexpr double kLaunchSeconds = 60;

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

WorkerSide::WorkerSide(std::string name, std::vector<std::string> command, const WorkerOptions& options)
    : name_(std::move(name)), command_(std::move(command)), options_(options) {}

Facts WorkerSide::launch(std::uint64_t seed) {
  const std::string padding(seed % kMostPadding, 'x');
  process_.reset();  // before the next one is there: two would share the memory of one
  process_ = std::make_unique<WorkerProcess>(command_, std::vector{"ATTN_GATE_PADDING=" + padding});
  try {
    hello_ = process_->launch(std::max(kLaunchSeconds, options_.hang_seconds));
  } catch (const WorkerError& error) {
    if (std::string_view(error.what()).starts_with("--plugin ")) throw UsageError(error.what());
    fail(fmt::format("{} (is '{}' an attnbench that knows the command worker?)", error.what(),
                     fmt::join(command_, " ")));
  }
  if (const int protocol = hello_.value("protocol", 0); protocol != kWorkerProtocol)
    fail(fmt::format("speaks version {} of the worker protocol, this attnbench version {}", protocol, kWorkerProtocol));
  request("inputs " + Json{{"seed", options_.seed}}.dump(), 0);
  try {
    return hello_.at("facts").get<Facts>();
  } catch (const Json::exception& error) {
    fail(fmt::format("says nothing usable of itself: {}", json_fault(error)));
  }
}

void WorkerSide::prep(const std::string& name) {
  const auto passed = passed_.find(name);
  const std::string checksum = passed == passed_.end() ? "" : fmt::format(" {}", passed->second);
  const double cores = options_.is_of_plugin ? std::max(1U, std::thread::hardware_concurrency()) : 1;
  const Json answer = request("prep " + name + checksum, cores * oracle_seconds(parse_case_name(name).workload));
  const attn::Verdict verdict = verdict_from(answer.at("verdict"));
  if (!verdict.passed) throw WrongResult(fmt::format("{}: {}", name_, verdict.failure));
  passed_[name] = answer.at("checksum");
}

Chunk WorkerSide::run(const std::string& name, std::int64_t iterations) {
  const double stolen = stolen_ns();
  const Measurement m = measurement_from(request(fmt::format("run {} {}", name, iterations), 0));
  if (!m.verdict.passed) throw WrongResult(fmt::format("{}: {}", name_, m.verdict.failure));
  if (!(m.wall_seconds > 0)) fail(fmt::format("claims that {} calls took {} s", iterations, m.wall_seconds));
  return {.wall_ns = 1e9 * m.wall_seconds,
          .cpu_ns = 1e9 * m.cpu_seconds / parse_case_name(name).threads,
          .steal_ns = stolen_ns() - stolen,
          .involuntary_switches = m.involuntary_switches,
          .page_faults = m.page_faults};
}

std::vector<const Variant*> WorkerSide::table() { return told(true); }

std::vector<const Variant*> WorkerSide::plugin_table() { return told(false); }

std::vector<const Variant*> WorkerSide::told(bool built_in) {
  try {
    std::vector<const Variant*> table;
    if (built_in) table = variants_.add(hello_.at("variants"));
    for (const Json& library : hello_.at("plugins"))
      for (const Variant* row : variants_.add(library.at("variants"))) table.push_back(row);
    return table;
  } catch (const Json::exception& error) {
    fail(fmt::format("does not tell its variants: {}", json_fault(error)));
  }
}

void WorkerSide::plan(Cases& cases, double most_seconds) {
  std::erase_if(cases.run, [&](const Case& c) {
    const std::string name = case_name(c);
    const Json plan = request("plan " + name, 0);
    std::string reason = printable(plan.value("refused", ""), kMostToldBytes);
    const double speed = plan.value("flops_per_second", 0.0);
    const double seconds = speed > 0 ? static_cast<double>(flops(c.workload)) / speed : 0;
    if (reason.empty() && seconds > most_seconds)
      reason =
          fmt::format("one iteration is predicted to take {:.2g} s; turns are taken with those of at most {:.3g} s",
                      seconds, most_seconds);
    if (reason.empty()) return false;
    cases.skipped.push_back({name, reason});
    return true;
  });
}

Json WorkerSide::request(const std::string& line, double expected_seconds) {
  try {
    return process_->request(line, options_.hang_seconds + expected_seconds);
  } catch (const WorkerError& error) {
    fail(error.what());
  }
}

void WorkerSide::fail(const std::string& what) const { throw SideFailure(fmt::format("the {} {}", name_, what)); }

std::vector<std::string> worker_command(const std::string& what, const std::string& command_line) {
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
  return words;
}

}  // namespace attn::bench::gate
