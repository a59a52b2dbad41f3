#include "gate/round.hpp"

#include <algorithm>
#include <cmath>

#include "base/slices.hpp"

namespace attn::bench::gate {
namespace {

// Of a chunk: steal is counted in ticks of 10 ms, a lost time slice takes milliseconds, and a page fault about a
// microsecond. A switch to a kernel thread and back, which is over in some 20 us, is none.
constexpr double kMostLostShare = 0.01;
constexpr double kPageFaultNs = 1000;

bool is_disturbed(const Chunk& chunk) {
  const double lost_ns = chunk.wall_ns - chunk.cpu_ns;
  const double fault_ns = kPageFaultNs * static_cast<double>(chunk.page_faults);
  return chunk.steal_ns > 0 || fault_ns > kMostLostShare * chunk.wall_ns ||
         (chunk.involuntary_switches > 0 && lost_ns > kMostLostShare * chunk.wall_ns);
}

double lower_quartile(std::vector<double> values) {
  const auto quartile = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 4);
  std::nth_element(values.begin(), quartile, values.end());
  return *quartile;
}

// Of all blocks, or of those that were left alone.
double value_of(const std::vector<Block>& blocks, bool all) {
  std::vector<double> base_ns, candidate_ns;
  for (const Block& block : blocks)
    for (std::size_t i = 0; i < block.chunks.size(); ++i)
      if (all || !block.is_disturbed()) (block.is_base(i) ? base_ns : candidate_ns).push_back(block.chunks[i].wall_ns);
  return std::log(lower_quartile(std::move(candidate_ns)) / lower_quartile(std::move(base_ns)));
}

}  // namespace

bool Block::is_disturbed() const {
  return std::any_of(chunks.begin(), chunks.end(), [](const Chunk& chunk) { return gate::is_disturbed(chunk); });
}

void finish_round(Round& round) {
  const auto disturbed = static_cast<std::size_t>(
      std::count_if(round.blocks.begin(), round.blocks.end(), [](const Block& block) { return block.is_disturbed(); }));
  const bool enough = 2 * disturbed <= round.blocks.size();
  round.value = value_of(round.blocks, !enough);
  round.dropped = enough ? static_cast<int>(disturbed) : 0;
}

Round measure_round(Side& base, Side& candidate, const Pairing& pairing, std::int64_t iterations, int blocks,
                    Random& random) {
  Round round{};
  int clean = 0;
  for (int tried = 0; clean < blocks && tried < 2 * blocks; ++tried) {
    Block block{.base_first = (random() >> 63) != 0, .chunks = {}};
    for (std::size_t i = 0; i < block.chunks.size(); ++i)
      block.chunks[i] = block.is_base(i) ? base.run(pairing.base_case, iterations)
                                         : candidate.run(pairing.candidate_case, iterations);
    clean += !block.is_disturbed();
    round.blocks.push_back(block);
  }
  finish_round(round);
  return round;
}

Turn calibrate(Side& side, const std::string& name, double chunk_ns) {
  const SettledCalls settled = *settle_calls(
      chunk_ns, 1, [&](std::int64_t iterations) { return std::optional(side.run(name, iterations).wall_ns); });
  return {settled.calls, settled.call_seconds * static_cast<double>(settled.calls)};
}

int blocks_for(double round_ns, const Turn& turn) {
  constexpr int kMost = 1000;
  return static_cast<int>(std::clamp(round_ns / (4 * turn.chunk_ns), 1.0, double{kMost}));
}

}  // namespace attn::bench::gate
