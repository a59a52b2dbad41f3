// Plant: a case that is slower on purpose, so that the gate can be shown to find it. Only in builds with -DATTN_PLANT=ON,
// where the environment says which: ATTN_PLANT=KIND:PERCENT:CASE, CASE being a part of the row's name. Each call of these cases is made to last PERCENT longer: `work` keeps the core busy for that long, `memory` reads
// cache lines scattered over K and V, which also evicts what the kernel had cached. By the clock and outside of the
// kernels: the truth is then known, for every variant, and in whatever state the machine is; of tiles computed twice it
// would have to be measured, by the means that are under test.
#pragma once

#include <chrono>
#include <string>

#include "inputs.hpp"

namespace attn::bench {

// What is planted here, "work:5:flash/avx2"; empty when nothing is, as in any build that was not asked for it.
std::string plant_text();

// Whether the case of this row name is among those that are slower. Throws std::invalid_argument when what the
// environment says is no plant.
bool is_planted(const std::string& case_name);

// Lasts from its construction to its destruction, and so much longer as is planted.
class PlantedCall {
 public:
  explicit PlantedCall(const Inputs& inputs) : inputs_(inputs), begin_(std::chrono::steady_clock::now()) {}
  ~PlantedCall();
  PlantedCall(const PlantedCall&) = delete;
  PlantedCall& operator=(const PlantedCall&) = delete;

 private:
  const Inputs& inputs_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace attn::bench
