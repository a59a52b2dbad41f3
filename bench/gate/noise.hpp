// The noise of this machine now, as the gate would meet it: short rounds of one loop against itself, and how many a
// slowdown would take to be found in it.
#pragma once

#include <optional>
#include <vector>

#include "gate/verdict.hpp"

namespace attn::bench::gate {

struct MachineNoise {
  double chunk_spread = 0;     // middle half of the chunks' times, as a share of their median: drift and bursts
  double round_deviation = 0;  // of the log ratio of a round, robust: what is left of it after taking turns
};

// Runs register arithmetic on one thread for about `seconds`, at least 8 rounds.
MachineNoise measure_noise(double seconds);

// The same from rounds' values and chunks' times.
MachineNoise noise_of(std::vector<double> round_values, std::vector<double> chunk_ns);

// Short rounds until a slowdown (a log ratio) is most likely REGRESSED, one case under test. Empty when they
// would be more than kMostSigns. Without what differs from launch to launch: a bound from below.
std::optional<int> rounds_to_find(double slowdown, const MachineNoise& noise, const Criteria& criteria);

}  // namespace attn::bench::gate
