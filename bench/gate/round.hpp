// Rounds: how two sides are compared. A block lets them take turns of some 2 ms in the order ABBA or BAAB, so that what
// drifts meets both alike; a round is blocks of fresh processes and gives one value, the unit of all inference, because
// everything within a launch shares its placement in memory. The value compares the lower quartiles of the turns: what
// neighbours do to a shared core lasts milliseconds and only ever adds, so that quick turns are those of the code.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gate/side.hpp"

namespace attn::bench::gate {

using Random = std::mt19937_64;

struct Block {
  bool base_first;              // base, candidate, candidate, base; else the other way round
  std::array<Chunk, 4> chunks;  // in the order of time

  bool is_base(std::size_t chunk) const { return (chunk == 0 || chunk == 3) == base_first; }
  // Something other than the kernels was at work: steal, preemption, page faults. Never asks for the times' ratio.
  bool is_disturbed() const;
};

// A case on both sides; `compare` has two names.
struct Pairing {
  std::string label, base_case, candidate_case;
};

// How long a side's turn is.
struct Turn {
  std::int64_t iterations = 0;  // of a chunk
  double chunk_ns = 0;          // that these take
};

struct Round {
  double value;  // ln(lower quartile of the candidate's chunks / that of the base's), of the blocks that count
  std::vector<Block> blocks;
  int dropped;  // disturbed ones
};

// A pairing must be prepared on both sides. Measures `blocks` undisturbed blocks, at most twice as many in all. Where
// most are disturbed, all count: what never leaves belongs to the case, perhaps to one side of it.
Round measure_round(Side& base, Side& candidate, const Pairing& pairing, std::int64_t iterations, int blocks,
                    Random& random);

// The value over undisturbed blocks, or over all as above; sets `dropped`.
void finish_round(Round& round);

// To launch, and to prepare: who is first may get the better memory.
template <class Sides, class Do>
void in_random_order(Sides sides, Random& random, const Do& act) {
  std::shuffle(sides.begin(), sides.end(), random);
  for (const auto& side : sides) act(side);
}

// Iterations that take about `chunk_ns`, at least one.
Turn calibrate(Side& side, const std::string& name, double chunk_ns);

// Blocks of which the chunks fill `round_ns`, at least one.
int blocks_for(double round_ns, const Turn& turn);

}  // namespace attn::bench::gate
