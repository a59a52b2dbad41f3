// WorkerSide: the Side that is a real build: a Worker behind the command line of its attnbench, launched for every round.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "gate/side.hpp"
#include "workers/worker.hpp"

namespace attn::bench::gate {

struct WorkerOptions {
  std::uint64_t seed = 1;    // of the inputs
  double hang_seconds = 60;  // without an answer, until the process counts as hung
};

class WorkerSide : public Side {
 public:
  // `name` is what messages call it.
  WorkerSide(std::string name, WorkerCommand command, const WorkerOptions& options);

  Facts launch(std::uint64_t seed) override;
  void prep(const std::string& name) override;
  Chunk run(const std::string& name, std::int64_t iterations) override;

  // After a launch: what this build has, plugins included.
  std::vector<const Variant*> table();
  Worker::Prediction predict(const Case& c);
  // The largest error against the oracle, scaled, of what a case computed when it was made ready; 0 before.
  double scaled_error(const std::string& name) const;

 private:
  struct Passed {
    std::uint64_t checksum = 0;  // of the outputs that the oracle has seen
    double scaled_error = 0;
  };

  [[noreturn]] void fail(const std::string& what) const;
  // What a request gives; that the worker is no more becomes a failure of this side.
  template <class Request>
  auto ask(const Request& request);

  std::string name_, program_;
  Worker worker_;
  std::map<std::string, Passed> passed_;  // by case
};

// The words of a command line as a shell reads them, without substituting commands; `worker` is appended unless it is
// among them. `what` names the argument in messages. Throws UsageError.
WorkerCommand parse_worker_command(const std::string& what, const std::string& command_line);

}  // namespace attn::bench::gate
