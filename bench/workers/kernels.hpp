// Kernels: what a command works with: the built-in variants and those of plugins, and for each the place where it runs.
// Built-in variants run in this process unless --isolate is given; plugins, peers among them, in a worker each, where a
// crash or a hang costs a row and no other library's threads are in the way.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "cases/input_origin.hpp"
#include "cases/peers.hpp"
#include "workers/worker.hpp"

namespace attn::bench {

struct KernelOptions {
  std::vector<std::string> plugins;  // files
  bool peers = false;                // all that were built, too
  bool isolate = false;
  double hang_seconds = 60;
};
// --plugin and --peers; for commands that call kernels also --isolate and --hang-seconds.
void add_kernel_options(CLI::App& command, KernelOptions& options, bool calls_kernels);

class Kernels {
 public:
  // Starts the workers. `origin` must outlive it. Throws UsageError.
  Kernels(std::span<const Variant* const> built_in, const KernelOptions& options, const InputOrigin& origin);

  std::span<const Variant* const> table() const { return table_; }
  const Guests& guests() const { return guests_; }
  // Where this case runs; null: in this process.
  Worker* worker_of(const Case& c) const;
  // Where it may be tried before anybody knows what its kernel does to its process: there, or in a worker of the built-in
  // variants. Throws WorkerError.
  Worker& trial_worker_of(const Case& c) const;
  // What is known beforehand. A kernel that does not survive its calibration has a `failure`: "its worker crashed (SIGSEGV),
  // ...". Of a worker that cannot answer nothing is known. Throws WorkerError where none can be started.
  Worker::Prediction predict(const Case& c) const;
  // The file of the plugin that a variant is of; empty for the built-in ones.
  std::string plugin_of(const Variant& variant) const;
  // A line for each plugin, for the result file: "/path/libmine.so (mine 1.2): flash/avx2, flash/avx512".
  const std::vector<std::string>& plugins() const { return plugins_; }
  // " --plugin FILE" for each, for commands that reproduce a row.
  const std::string& arguments() const { return arguments_; }

 private:
  // The processes that one plugin, or the built-in variants, can be run in. Starts the first, so that what cannot be loaded
  // is known before anything else is done. Throws UsageError.
  struct Workers {
    Workers(const std::string& plugin, const InputOrigin& origin, double hang_seconds);

    std::string plugin;
    Worker attention;
    std::optional<Worker> layers;  // of a plugin; else one process does both
  };

  void add_plugin(const std::string& file, const InputOrigin& origin, double hang_seconds);

  const InputOrigin& origin_;
  double hang_seconds_;
  mutable std::unique_ptr<Worker> trial_;  // of built-in variants that run in this process; opened when first needed
  mutable std::map<const Variant*, Failure> failed_;  // those that ended a worker when they were calibrated
  std::vector<const Variant*> table_;
  std::vector<std::unique_ptr<Workers>> workers_;
  std::map<const Variant*, Workers*> of_;
  Guests guests_;
  std::vector<std::string> plugins_;
  std::string arguments_;
};

}  // namespace attn::bench
