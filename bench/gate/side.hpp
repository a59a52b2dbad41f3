// Side: one build as the gate sees it: a process that is started afresh for every round and times chunks of a case on
// demand. The resident workers implement it, and the simulated machine and the replay, which prove the gate.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include "base/errors.hpp"

namespace attn::bench::gate {

// Some 2 ms of calls after an untimed one, and what disturbed them. What a side cannot tell is 0.
struct Chunk {
  double wall_ns = 0;
  double cpu_ns = 0;    // per member of the team
  double steal_ns = 0;  // that the hypervisor gave to others, on all cores
  std::int64_t involuntary_switches = 0, page_faults = 0;
};

// Machine, compiler, flags, libraries, revision: machine_facts() of the process.
using Facts = std::map<std::string, std::string>;

// A side died, hung or answered nonsense: nothing more can be measured. The text says which side and what, not where.
struct SideFailure : EnvironmentError {
  using EnvironmentError::EnvironmentError;
};

// A kernel of a side computes something wrong. The text says which side and what.
struct WrongResult : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Side {
 public:
  Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual ~Side() = default;

  // Ends the process of the round before, starts a fresh one and returns what it says of itself; `seed` decides what may
  // differ from launch to launch, such as the padding of its environment. All of these throw SideFailure.
  virtual Facts launch(std::uint64_t seed) = 0;
  // Makes a case ready and checks what it computes; run checks again. Both throw WrongResult.
  virtual void prep(const std::string& name) = 0;
  virtual Chunk run(const std::string& name, std::int64_t iterations) = 0;
};

}  // namespace attn::bench::gate
