// Worker: the parent's end of a worker: each request of its protocol (worker_server.cpp) is a function. Used wherever
// kernels run in processes of their own; what a process and a pipe are is known to WorkerProcess alone.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cases/input_origin.hpp"
#include "machine/counters.hpp"
#include "measure/measurement.hpp"
#include "variant.hpp"
#include "workers/worker_process.hpp"

namespace attn::bench {

// What starts a worker: `attnbench worker` of some build, or the program that hosts one plugin.
struct WorkerCommand {
  std::vector<std::string> words;
  bool is_of_plugin = false;  // which has one thread for the oracle
};
// Of a plugin; of the built-in variants where `plugin` is empty. Layers need more in the process than the kernels in them.
WorkerCommand worker_command(const std::string& plugin, bool for_layers);

class Worker {
 public:
  // What a worker says of a case that nobody has computed yet.
  struct Prediction {
    std::string refused;  // why the kernel cannot compute it; empty when it can
    Failure failure;      // what became of a kernel that did not survive it: only Kernels::predict() knows
    std::int64_t workspace_bytes = 0;
    double flops_per_second = 0;  // 0: not known
  };
  struct Prepared {
    CaseVerdict verdict;
    std::uint64_t checksum = 0;
  };
  // Rows can only be run where they live, and stay as long as the Worker does.
  struct PluginRows {
    std::string path, version;
    std::vector<const Variant*> variants;
  };

  // Starts nothing yet. `origin`: what the inputs are made from.
  Worker(WorkerCommand command, const InputOrigin& origin, double hang_seconds);

  // All below throw WorkerError.

  // Starts the process, after the end of one that runs; requests do so where none runs. `environment`: NAME=VALUE entries
  // on top of this process's.
  void launch(const std::vector<std::string>& environment = {});
  bool running() const { return process_.running(); }

  // What it told of itself when it was launched.
  std::map<std::string, std::string> facts() const;
  std::vector<const Variant*> variants();  // the built-in ones
  std::vector<PluginRows> plugins();

  Prediction predict(const std::string& case_name);
  // `call_seconds`, of a call as predicted, lengthens the patience. `checked_before`: as PreparedCase has it.
  Prepared prepare(const std::string& case_name, double call_seconds = 0,
                   std::optional<std::uint64_t> checked_before = std::nullopt);
  Measurement measure_plainly(const std::string& case_name, std::int64_t calls);
  Measurement measure_with_ceilings(const std::string& case_name, std::int64_t calls, double call_seconds);
  // What the CPU counted in so many calls.
  std::vector<Counted> count(const std::string& case_name, std::int64_t calls, double call_seconds);

 private:
  Json request(const std::string& line, double expected_seconds);
  std::vector<const Variant*> add_rows(const Json& owner);  // of its "variants"
  const char* keep(const Json& text) { return texts_.emplace_back(text.get<std::string>()).c_str(); }

  WorkerCommand command_;
  WorkerProcess process_;
  Json inputs_;  // of a InputOrigin
  double hang_seconds_;
  Json hello_;
  std::deque<std::string> texts_;  // behind the rows
  std::deque<Variant> rows_;
};

}  // namespace attn::bench
