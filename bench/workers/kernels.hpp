// Kernels: what a command works with: the built-in variants and those of plugins, and for each the place where it runs.
// Built-in variants run in this process unless --isolate is given; plugins, peers among them, in a worker each, where a
// crash or a hang costs a row and no other library's threads are in the way.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "cases/feed.hpp"
#include "cases/peers.hpp"
#include "measure/measurement.hpp"
#include "workers/told_variants.hpp"
#include "workers/worker_process.hpp"

namespace attn::bench {

struct KernelOptions {
  std::vector<std::string> plugins;  // files
  bool peers = false;                // all that were built, too
  bool isolate = false;
  double hang_seconds = 60;
};
// --plugin and --peers; for commands that call kernels also --isolate and --hang-seconds.
void add_kernel_options(CLI::App& command, KernelOptions& options, bool calls_kernels);

// The commands of a worker: for cases of attention alone, and for layers around the same kernels, which need more in the
// process. Where both are the same, one process does both.
struct WorkerCommands {
  std::vector<std::string> attention, layers;
};
// Of a plugin; of the built-in variants where `plugin` is empty.
WorkerCommands worker_commands(const std::string& plugin);

// Built-in variants, or a plugin, in a worker of their own. A process that ended is started again by the next request.
class Station {
 public:
  // Throws WorkerError when the plugin cannot be loaded, or its kernels take the process down.
  Station(const WorkerCommands& commands, const Feed& feed, double hang_seconds);

  const Json& hello() const { return hello_; }

  struct Prediction {
    std::string refused;  // why the kernel cannot compute the case; empty when it can
    std::string
        failure;  // what became of a kernel that did not survive its calibration: "its worker crashed (SIGSEGV), ..."
    std::int64_t workspace_bytes = 0;
    double flops_per_second = 0;  // 0: not known
  };
  // Never throws WorkerError.
  Prediction predict(const Case& c);

  // `expected_seconds`, of a call, lengthens the patience. Throw WorkerError.
  Verdict prepare(const Case& c, double expected_seconds);
  Measurement measure(const Case& c, std::int64_t calls, double expected_seconds);

 private:
  Json launch(WorkerProcess& process) const;
  WorkerProcess& process_of(const Case& c) { return layers_ && c.workload.is_layer() ? *layers_ : process_; }
  Json request(const std::string& verb, const Case& c, const std::string& rest, double expected_seconds);

  WorkerProcess process_;
  std::optional<WorkerProcess> layers_;  // started by the first layer case
  Json inputs_;                          // of a Feed
  double hang_seconds_;
  Json hello_;
  std::map<const Variant*, std::string> failed_;  // those that ended the process when they were calibrated
};

class Kernels {
 public:
  // Starts the workers. `feed` must outlive it. Throws UsageError.
  Kernels(std::span<const Variant* const> built_in, const KernelOptions& options, const Feed& feed);

  std::span<const Variant* const> table() const { return table_; }
  // Peers that were asked for and cannot be had here.
  const AbsentPeers& absent() const { return absent_; }
  // Where this variant runs; null: in this process.
  Station* station_of(const Variant& variant) const;
  // Where it may be tried before anybody knows what it does to its process: there, or in a worker of the built-in variants.
  // Throws WorkerError.
  Station& place_of(const Variant& variant) const;
  // A line for each plugin, for the result file: "/path/libmine.so (mine 1.2): flash/avx2, flash/avx512".
  const std::vector<std::string>& plugins() const { return plugins_; }
  // " --plugin FILE" for each, for commands that reproduce a row.
  const std::string& arguments() const { return arguments_; }

 private:
  void add_plugin(const std::string& file, const Feed& feed, double hang_seconds);

  const Feed& feed_;
  double hang_seconds_;
  mutable std::unique_ptr<Station> trial_;  // of built-in variants that run in this process; opened when first needed
  std::vector<const Variant*> table_;
  ToldVariants told_;  // of plugins
  std::vector<std::unique_ptr<Station>> stations_;
  std::map<const Variant*, Station*> of_;
  AbsentPeers absent_;
  std::vector<std::string> plugins_;
  std::string arguments_;
};

}  // namespace attn::bench
