// All the ceilings of one ISA and team: what `attnbench roofline` prints and what rides in the context of every run.
#pragma once

#include <optional>
#include <vector>

#include "base/json.hpp"
#include "machine/caches.hpp"
#include "machine/ceiling_slices.hpp"
#include "machine/footprints.hpp"
#include "machine/peak_unit.hpp"

namespace attn::bench {

struct ReadCeiling {
  ReadLevel level;
  Ceiling rate;  // bytes; zero where the level carries a reason
};

struct Ceilings {
  Isa isa;
  int threads;
  std::optional<Ceiling> fma;  // f32 FLOPs
  std::optional<Ceiling> dot;  // bf16 FLOPs of the vector unit, and of the tiles: of levels that have them
  std::optional<Ceiling> amx;
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

// For `roofline --json` and the context of every result file; what was not measured is null, with a reason where there is
// one:
//   {"isa": "avx2", "threads": 1, "f32_fma": {"flops_per_second": 118.1e9, "flops_per_cycle_per_core": 31.9,
//    "clock_hz": 3.7e9}, "bf16_dot": null, "bf16_amx": null, "exp2": {"vectors_per_second": ...},
//    "read": [{"level": "L1", "footprint_bytes": 24576, "bytes_per_second": ...}, ...]}
Json to_json(const Ceilings& ceilings);

// GFLOP/s of a unit of this ISA on such a team, from a list of such objects; empty where it has none.
std::optional<double> peak_in(const Json& all, Isa isa, const PeakUnit& unit, int threads);

}  // namespace attn::bench
