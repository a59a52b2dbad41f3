// A simulated machine, so that the whole gate can be tried thousands of times in seconds: a shared one, with neighbours
// that slow it down to half for seconds, drift, and noise of launches and chunks. Time is virtual; a seed decides all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gate/round.hpp"
#include "gate/side.hpp"

namespace attn::bench::gate {

// Deviations are of the logarithm of the time.
struct Noise {
  double chunk = 0.004, launch = 0.006;     // launch: of each case in a process
  double process = 0.002;                   // of all cases in a process
  double drift = 0.03, drift_seconds = 60;  // a slow wave
  double bursts_per_second = 0.08, burst_seconds = 1.5, burst_most = 2;
  double preemptions_per_second = 0.2, preemption_ns = 4e6;
  // What an unfair machine does: by how much the process launched last is slower, and who prepares a case first.
  double last_launched = 0, first_prepared = 0;
};

enum class Fault { none, dies_at_launch, crashes, hangs, computes_wrongly };

struct SimulatedBuild {
  std::map<std::string, double> slower = {};  // factor of the time, by case
  double slower_everywhere = 1;
  Fault fault = Fault::none;
  int runs_until_fault = 0;
  Facts facts = {};
};

class SimulatedMachine {
 public:
  SimulatedMachine(const Noise& noise, std::uint64_t seed);

  double seconds() const { return now_; }
  // A process of this build; `name` is what messages call it. Must not outlive the machine.
  std::unique_ptr<Side> add(std::string name, std::vector<std::string> cases, SimulatedBuild build);

 private:
  friend class SimulatedSide;
  struct Burst {
    double begin, end, factor;
  };

  double normal(double deviation);
  // How much slower than at rest the machine is now, and until when.
  std::pair<double, double> slowness();
  // Lets so much work pass that takes `seconds` at rest; what it took.
  double work(double seconds);

  Noise noise_;
  Random random_;
  double now_ = 0, phase_;
  Burst burst_;
  int sides_ = 0, launches_ = 0;
  std::string prepared_;  // the case that somebody has prepared last
};

}  // namespace attn::bench::gate
