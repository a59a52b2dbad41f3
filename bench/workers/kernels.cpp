#include "workers/kernels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/errors.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/shell_word.hpp"
#include "base/stop.hpp"
#include "registry.hpp"

namespace attn::bench {

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

namespace {

// Of the case of this name; empty where it is none.
std::string problem_of(const std::string& name) {
  try {
    return to_string(parse_case_name(name).workload);
  } catch (const std::invalid_argument&) {
    return {};
  }
}

}  // namespace

Kernels::Kernels(std::span<const Variant* const> built_in, const KernelOptions& options, const InputOrigin& origin)
    : origin_(origin), hang_seconds_(options.hang_seconds), table_(built_in.begin(), built_in.end()) {
  if (options.isolate) {
    workers_.push_back(std::make_unique<Workers>("", origin, options.hang_seconds));
    for (const Variant* row : built_in) of_[row] = workers_.back().get();
  }
  for (const std::string& file : options.plugins) add_plugin(file, origin, options.hang_seconds);
  set_further_arguments(origin.arguments() + arguments_);
  if (!options.peers) return;
  for (const KnownPeer& peer : known_peers()) {
    if (peer.file.empty()) {
      guests_.absent[peer.name] = peer.remedy;
      continue;
    }
    try {
      add_plugin(peer.file, origin, options.hang_seconds);
    } catch (const UsageError& error) {  // its library is too old or broken: no reason not to measure the others
      guests_.absent[peer.name] = error.what();
    }
  }
}

Kernels::Workers::Workers(const std::string& file, const InputOrigin& origin, double hang_seconds)
    : plugin(file), attention(worker_command(file, false), origin, hang_seconds) {
  if (!plugin.empty()) layers.emplace(worker_command(plugin, true), origin, hang_seconds);
  try {
    attention.launch();
  } catch (const WorkerError& error) {
    if (error.usage) throw UsageError(error.what());
    throw UsageError(plugin.empty() ? fmt::format("--isolate: the worker {}", error.what())
                                    : fmt::format("--plugin {}: it {} while it was loaded", plugin, error.what()));
  }
}

void Kernels::add_plugin(const std::string& file, const InputOrigin& origin, double hang_seconds) {
  auto workers = std::make_unique<Workers>(file, origin, hang_seconds);
  const Worker::PluginRows plugin = workers->attention.plugins().at(0);
  const std::vector<std::string> taken = variant_names(table_);
  for (const Variant* row : plugin.variants)
    if (std::ranges::find(taken, row->name) != taken.end())
      throw UsageError(
          fmt::format("--plugin {}: a variant {} is there already; give it a name of its own", file, row->name));
  std::vector<std::string> rows;
  for (const Variant* row : plugin.variants) {
    table_.push_back(row);
    of_[row] = workers.get();
    guests_.present.insert(row->name);
    rows.push_back(fmt::format("{}/{}", row->name, row->isa));
  }
  workers_.push_back(std::move(workers));
  plugins_.push_back(fmt::format("{}{}: {}", printable(plugin.path),
                                 plugin.version.empty() ? "" : " (" + plugin.version + ")", fmt::join(rows, ", ")));
  arguments_ += " --plugin " + shell_word(plugin.path);
}

Worker* Kernels::worker_of(const Case& c) const {
  const auto found = of_.find(c.variant);
  if (found == of_.end()) return nullptr;
  return c.workload.is_layer() && found->second->layers ? &*found->second->layers : &found->second->attention;
}

Worker& Kernels::trial_worker_of(const Case& c) const {
  if (Worker* worker = worker_of(c)) return *worker;
  if (trial_ == nullptr) {
    auto trial = std::make_unique<Worker>(worker_command("", false), origin_, hang_seconds_);
    trial->launch();
    trial_ = std::move(trial);
  }
  return *trial_;
}

Worker::Prediction Kernels::predict(const Case& c) const {
  if (const auto known = failed_.find(c.variant); known != failed_.end()) return {.failure = known->second};
  Worker& worker = trial_worker_of(c);
  try {
    return worker.predict(case_name(c));
  } catch (const WorkerError& error) {
    if (worker.running() || interrupted()) return {};
    Failure failure = error.of_its_kernel();
    failure.text += fmt::format(", when {}/{} was calibrated", c.variant->name, c.variant->isa);
    if (failure.problem = problem_of(error.activity); !failure.problem.empty())
      failure.text += " on " + failure.problem;
    return {.failure = failed_[c.variant] = failure};
  }
}

std::string Kernels::plugin_of(const Variant& variant) const {
  const auto found = of_.find(&variant);
  return found == of_.end() ? "" : found->second->plugin;
}

}  // namespace attn::bench
