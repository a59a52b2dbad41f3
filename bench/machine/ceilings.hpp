// All the ceilings of one ISA and team: what `attnbench roofline` prints and what rides in the context of every run.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "machine/caches.hpp"
#include "machine/ceiling.hpp"
#include "machine/footprints.hpp"

namespace attn::bench {

struct ReadCeiling {
  ReadLevel level;
  Ceiling rate;  // bytes; zero where the level carries a reason
};

struct Ceilings {
  Isa isa;
  int threads;
  std::optional<Ceiling> fma;   // f32 FLOPs
  std::optional<Ceiling> amx;   // bf16 FLOPs; only of the ISA amx
  std::optional<Ceiling> exp2;  // vectors of 2^x
  std::vector<ReadCeiling> reads;
};

// What measuring needs to know of the machine, asked once.
struct Surroundings {
  std::vector<Cache> caches = data_caches();
  std::int64_t available_bytes;
};

// `seconds` per ceiling; reading a large footprint twice may take longer.
Ceilings measure_ceilings(Isa isa, int threads, double seconds, const Surroundings& around, ReadGround& ground);

// As facts for a file's context: fma_peak_avx2_threads_1 -> "118.1 GFLOP/s, 31.9 FLOP/cycle per core at 3.70 GHz".
std::map<std::string, std::string> context_of(const Ceilings& ceilings);

}  // namespace attn::bench
