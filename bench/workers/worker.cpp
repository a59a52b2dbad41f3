#include "workers/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/printable.hpp"
#include "measure/calibration.hpp"
#include "measure/watchdog.hpp"
#include "workers/worker_server.hpp"

namespace attn::bench {
namespace {

// Loading plugins, which may bring large libraries with them, or the way to another machine.
constexpr double kLaunchSeconds = 60;

std::string told(const Json& text) { return printable(text.get<std::string>(), kMostToldBytes); }

}  // namespace

WorkerCommand worker_command(const std::string& plugin, bool for_layers) {
  WorkerCommand command{.is_of_plugin = !plugin.empty() && !for_layers};
  command.words = command.is_of_plugin ? command_of(plugin_worker()) : own_command();
  if (!command.is_of_plugin) command.words.emplace_back("worker");
  if (!plugin.empty()) command.words.insert(command.words.end(), {"--plugin", plugin});
  return command;
}

Worker::Worker(WorkerCommand command, const InputOrigin& origin, double hang_seconds)
    : command_(std::move(command)), process_(command_.words), inputs_(origin.to_json()), hang_seconds_(hang_seconds) {}

void Worker::launch(const std::vector<std::string>& environment) {
  const double patience = std::max(kLaunchSeconds, hang_seconds_);
  hello_ = process_.launch(environment, patience);
  if (const int protocol = hello_.value("protocol", 0); protocol != kWorkerProtocol)
    throw WorkerError(Reason::failed, fmt::format("speaks version {} of the worker protocol, this attnbench version {}",
                                                  protocol, kWorkerProtocol));
  process_.request("inputs " + json_line(inputs_), patience);
}

std::map<std::string, std::string> Worker::facts() const {
  try {
    return hello_.at("facts").get<std::map<std::string, std::string>>();
  } catch (const Json::exception& error) {
    throw WorkerError(Reason::failed, fmt::format("says nothing usable of itself: {}", json_fault(error)));
  }
}

std::vector<const Variant*> Worker::variants() { return add_rows(hello_); }

std::vector<Worker::PluginRows> Worker::plugins() {
  std::vector<PluginRows> plugins;
  try {
    for (const Json& library : hello_.at("plugins"))
      plugins.push_back({path_from_json(library.at("path")), told(library.at("version")), add_rows(library)});
  } catch (const Json::exception& error) {
    throw WorkerError(Reason::failed, fmt::format("does not tell its plugins: {}", json_fault(error)));
  }
  return plugins;
}

std::vector<const Variant*> Worker::add_rows(const Json& owner) {
  std::vector<const Variant*> added;
  try {
    for (const Json& entry : owner.at("variants"))
      added.push_back(&rows_.emplace_back(Variant{.struct_size = sizeof(Variant),
                                                  .name = keep(entry.at("name")),
                                                  .isa = keep(entry.at("isa")),
                                                  .summary = keep(told(entry.at("summary"))),
                                                  .source = keep(told(entry.at("source"))),
                                                  .features = entry.at("features"),
                                                  .error_multiple = entry.at("error_multiple")}));
  } catch (const Json::exception& error) {
    throw WorkerError(Reason::failed, fmt::format("does not tell its variants: {}", json_fault(error)));
  }
  return added;
}

Json Worker::request(const std::string& line, double expected_seconds) {
  if (!running()) launch();
  return process_.request(line, patience_seconds(hang_seconds_, expected_seconds));
}

Worker::Prediction Worker::predict(const std::string& case_name) {
  const Json answer = request("plan " + case_name, 0);
  return {.refused = told(answer.at("refused")),
          .failure = {},
          .workspace_bytes = answer.at("workspace_bytes"),
          .flops_per_second = answer.at("flops_per_second")};
}

Worker::Prepared Worker::prepare(const std::string& case_name, double call_seconds,
                                 std::optional<std::uint64_t> checked_before) {
  // What the oracle takes is predicted for all cores.
  const double cores = command_.is_of_plugin ? std::max(1U, std::thread::hardware_concurrency()) : 1;
  const Json answer =
      request(fmt::format("prep {}{}", case_name, checked_before ? fmt::format(" {}", *checked_before) : ""),
              cores * oracle_seconds(parse_case_name(case_name).workload) + call_seconds);
  return {verdict_from(answer.at("verdict")), answer.at("checksum")};
}

Measurement Worker::measure_plainly(const std::string& case_name, std::int64_t calls) {
  return measurement_from(request(fmt::format("run {} {}", case_name, calls), 0));
}

Measurement Worker::measure_with_ceilings(const std::string& case_name, std::int64_t calls, double call_seconds) {
  return measurement_from(
      request(fmt::format("measure {} {}", case_name, calls), static_cast<double>(calls) * call_seconds));
}

std::vector<Counted> Worker::count(const std::string& case_name, std::int64_t calls, double call_seconds) {
  const Json answer = request(fmt::format("count {} {}", case_name, calls), static_cast<double>(calls) * call_seconds);
  std::vector<Counted> all;
  for (const Json& counted : answer.at("counted"))
    all.push_back(
        {.name = told(counted.at("name")), .value = counted.at("value"), .reason = told(counted.at("reason"))});
  return all;
}

}  // namespace attn::bench
