// WorkerSide: a build behind the command line of its attnbench, as a resident worker that is stopped between chunks.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cases/case_options.hpp"
#include "gate/side.hpp"
#include "workers/told_variants.hpp"
#include "workers/worker_process.hpp"

namespace attn::bench::gate {

struct WorkerOptions {
  std::uint64_t seed = 1;     // of the inputs
  double hang_seconds = 60;   // without an answer, until the process counts as hung
  bool is_of_plugin = false;  // whose worker has one thread for the oracle
};

class WorkerSide : public Side {
 public:
  // `name` is what messages call it; `command` starts `attnbench worker`.
  WorkerSide(std::string name, std::vector<std::string> command, const WorkerOptions& options);

  Facts launch(std::uint64_t seed) override;
  void prep(const std::string& name) override;
  Chunk run(const std::string& name, std::int64_t iterations) override;

  // After a launch: what this build has. Plugins included; or of those alone.
  std::vector<const Variant*> table();
  std::vector<const Variant*> plugin_table();
  // Takes out the cases that this build refuses, and those of which one iteration is predicted to take longer than
  // `most_seconds`.
  void plan(Cases& cases, double most_seconds);

 private:
  std::vector<const Variant*> told(bool built_in);
  Json request(const std::string& line, double expected_seconds);
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  std::vector<std::string> command_;
  WorkerOptions options_;
  std::unique_ptr<WorkerProcess> process_;
  Json hello_;
  ToldVariants variants_;
  std::map<std::string, std::uint64_t> passed_;  // checksums of outputs that the oracle has seen, by case
};

// The words of a command line as a shell reads them, without substituting commands; `worker` is appended unless it is
// among them. `what` names the argument in messages. Throws UsageError.
std::vector<std::string> worker_command(const std::string& what, const std::string& command_line);

}  // namespace attn::bench::gate
