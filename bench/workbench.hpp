// Workbench: what cases are measured on. Keeps the inputs and the oracle of a workload for all its cases, and runs the
// check before anything is timed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "case.hpp"
#include "check.hpp"
#include "inputs.hpp"
#include "run.hpp"

namespace attn::bench {

// Inputs, their hash before any kernel ran, and what is expected of them.
struct PreparedWorkload {
  PreparedWorkload(const Workload& workload, std::uint64_t seed);

  Workload workload;
  Inputs inputs;
  std::uint64_t hash;
  Oracle oracle;
};

// One case, ready to be called: workspace, arguments, the checked output.
class PreparedCase {
 public:
  // Calls the kernel once, on poisoned outputs and workspace, and checks what it wrote.
  PreparedCase(const Case& c, PreparedWorkload& workload);

  const Verdict& verdict() const { return verdict_; }
  std::size_t workspace_bytes() const { return workspace_.size(); }
  void poison() const;
  void call() const { case_.variant->run(&args_); }
  // After the timed loop: the outputs must still be the checked ones bit for bit; if not, they go to the oracle again.
  void check_again();

 private:
  void judge();
  std::vector<std::byte> outputs() const;

  Case case_;
  PreparedWorkload& workload_;
  AlignedBuffer workspace_;
  Args args_;
  std::vector<std::byte> checked_;
  Verdict verdict_;
};

class Workbench {
 public:
  explicit Workbench(std::uint64_t seed) : seed_(seed) {}

  // The case, prepared now or in the calls before. Valid until the next call with another case.
  PreparedCase& prepare(const Case& c);

  // Memory that a case needs in all: tensors, oracle, workspace, copy of the output.
  static std::int64_t bytes_needed(const Case& c);

 private:
  PreparedWorkload& workload(const Workload& w);

  std::uint64_t seed_;
  std::map<std::string, std::unique_ptr<PreparedWorkload>> workloads_;
  std::int64_t kept_bytes_ = 0;
  std::string current_name_;
  std::optional<PreparedCase> current_;
};

}  // namespace attn::bench
