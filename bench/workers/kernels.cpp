#include "workers/kernels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/shell_word.hpp"
#include "base/stop.hpp"
#include "measure/calibration.hpp"
#include "measure/watchdog.hpp"
#include "registry.hpp"
#include "workers/worker.hpp"

namespace attn::bench {
namespace {

// Loading a plugin, which may bring a large library with it.
constexpr double kLaunchSeconds = 60;

std::unique_ptr<Station> open_station(const std::string& plugin, const Feed& feed, double hang_seconds) {
  try {
    return std::make_unique<Station>(worker_commands(plugin), feed, hang_seconds);
  } catch (const WorkerError& error) {
    const std::string what = error.what();
    if (what.rfind("--plugin ", 0) == 0 || what.rfind("--tensors ", 0) == 0) throw UsageError(what);
    throw UsageError(plugin.empty() ? fmt::format("--isolate: the worker {}", what)
                                    : fmt::format("--plugin {}: it {} while it was loaded", plugin, what));
  }
}

}  // namespace

WorkerCommands worker_commands(const std::string& plugin) {
  std::vector<std::string> whole = own_command();
  whole.emplace_back("worker");
  if (plugin.empty()) return {whole, whole};
  std::vector<std::string> alone = command_of(plugin_worker());
  for (std::vector<std::string>* command : {&whole, &alone}) command->insert(command->end(), {"--plugin", plugin});
  return {alone, whole};
}

void add_kernel_options(CLI::App& command, KernelOptions& options, bool calls_kernels) {
  command.add_option("--plugin", options.plugins,
                     "a shared library of kernels, see src/attn_plugin.h; may be repeated");
  command.add_flag("--peers", options.peers,
                   "also the libraries of variants/external that were built, each in a worker");
  if (!calls_kernels) return;
  command.add_flag("--isolate", options.isolate,
                   "run the built-in variants in a worker process too, as plugins always do, and verify with all");
  command
      .add_option(
          "--hang-seconds", options.hang_seconds,
          "end a kernel that is so much later than predicted. In a worker its case fails and the others go on; else "
          "the run ends with exit 1, and --resume goes on after the case")
      ->check(positive())
      ->capture_default_str();
}

Station::Station(const WorkerCommands& commands, const Feed& feed, double hang_seconds)
    : process_(commands.attention), inputs_(feed.to_json()), hang_seconds_(hang_seconds) {
  if (commands.layers != commands.attention) layers_.emplace(commands.layers);
  hello_ = launch(process_);
}

Json Station::launch(WorkerProcess& process) const {
  const double patience = std::max(kLaunchSeconds, hang_seconds_);
  Json hello = process.launch(patience);
  if (const int protocol = hello.value("protocol", 0); protocol != kWorkerProtocol)
    throw WorkerError(
        fmt::format("speaks version {} of the worker protocol, this attnbench version {}", protocol, kWorkerProtocol));
  process.request("inputs " + json_line(inputs_), patience);
  return hello;
}

Json Station::request(const std::string& verb, const Case& c, const std::string& rest, double expected_seconds) {
  WorkerProcess& process = process_of(c);
  if (!process.running()) launch(process);
  return process.request(fmt::format("{} {}{}", verb, case_name(c), rest),
                         patience_seconds(hang_seconds_, expected_seconds));
}

Station::Prediction Station::predict(const Case& c) {
  if (const auto known = failed_.find(c.variant); known != failed_.end()) return {.failure = known->second};
  try {
    const Json answer = request("plan", c, "", 0);
    return {.refused = printable(answer.at("refused").get<std::string>(), kMostToldBytes),
            .failure = {},
            .workspace_bytes = answer.at("workspace_bytes"),
            .flops_per_second = answer.at("flops_per_second")};
  } catch (const WorkerError& error) {
    Prediction prediction;
    if (!process_of(c).running() && !interrupted())
      prediction.failure = failed_[c.variant] =
          fmt::format("its worker {}, when {}/{} was calibrated", error.what(), c.variant->name, c.variant->isa);
    return prediction;
  }
}

Verdict Station::prepare(const Case& c, double expected_seconds) {
  set_current_activity(case_name(c));
  // The worker of a plugin has one thread for the oracle.
  const double cores = layers_ && !c.workload.is_layer() ? std::max(1U, std::thread::hardware_concurrency()) : 1;
  const double seconds = cores * oracle_seconds(c.workload) + expected_seconds;
  return verdict_from(request("prep", c, "", seconds).at("verdict"));
}

Measurement Station::measure(const Case& c, std::int64_t calls, double expected_seconds) {
  set_current_activity(case_name(c));
  return measurement_from(
      request("measure", c, fmt::format(" {}", calls), static_cast<double>(calls) * expected_seconds));
}

Kernels::Kernels(std::span<const Variant* const> built_in, const KernelOptions& options, const Feed& feed)
    : feed_(feed), hang_seconds_(options.hang_seconds), table_(built_in.begin(), built_in.end()) {
  if (options.isolate) {
    stations_.push_back(open_station("", feed, options.hang_seconds));
    for (const Variant* row : built_in) of_[row] = stations_.back().get();
  }
  for (const std::string& file : options.plugins) add_plugin(file, feed, options.hang_seconds);
  if (!options.peers) return;
  for (const KnownPeer& peer : known_peers()) {
    if (peer.file.empty()) {
      absent_[peer.name] = peer.remedy;
      continue;
    }
    try {
      add_plugin(peer.file, feed, options.hang_seconds);
    } catch (const UsageError& error) {  // its library is too old or broken: no reason not to measure the others
      absent_[peer.name] = error.what();
    }
  }
}

void Kernels::add_plugin(const std::string& file, const Feed& feed, double hang_seconds) {
  std::unique_ptr<Station> station = open_station(file, feed, hang_seconds);
  const Json library = station->hello().at("plugins").at(0);
  const std::vector<std::string> taken = variant_names(table_);
  for (const Json& entry : library.at("variants"))
    if (const auto name = entry.at("name").get<std::string>(); std::ranges::find(taken, name) != taken.end())
      throw UsageError(
          fmt::format("--plugin {}: a variant {} is there already; give it a name of its own", file, name));
  stations_.push_back(std::move(station));
  std::vector<std::string> rows;
  for (const Variant* row : told_.add(library.at("variants"))) {
    table_.push_back(row);
    of_[row] = stations_.back().get();
    rows.push_back(fmt::format("{}/{}", row->name, row->isa));
  }
  const std::string path = path_from_json(library.at("path"));
  const std::string version = printable(library.at("version").get<std::string>(), kMostToldBytes);
  plugins_.push_back(
      fmt::format("{}{}: {}", printable(path), version.empty() ? "" : " (" + version + ")", fmt::join(rows, ", ")));
  arguments_ += " --plugin " + shell_word(path);
}

Station* Kernels::station_of(const Variant& variant) const {
  const auto found = of_.find(&variant);
  return found == of_.end() ? nullptr : found->second;
}

Station& Kernels::place_of(const Variant& variant) const {
  if (Station* station = station_of(variant)) return *station;
  if (trial_ == nullptr) trial_ = std::make_unique<Station>(worker_commands(""), feed_, hang_seconds_);
  return *trial_;
}

}  // namespace attn::bench
