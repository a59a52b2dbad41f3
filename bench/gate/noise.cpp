#include "gate/noise.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

#include "base/slices.hpp"
#include "base/timing.hpp"
#include "gate/round.hpp"
#include "machine/ceiling_slices.hpp"

namespace attn::bench::gate {
namespace {

constexpr double kChunkSeconds = 2e-3;
constexpr int kBlocks = 7;  // of a short round
constexpr std::size_t kLeastRounds = 8;

double run_seconds(const Probe& probe, std::int64_t rounds) {
  return seconds_of([&] { benchmark::DoNotOptimize(probe.run(rounds)); });
}

// The loop of the baseline: every machine has it, and it warms no wide units.
const Probe& probe_of_this_machine() {
  const Probe* chosen = nullptr;
  for (const Probe* probe : probe_table())
    if (probe->kind == ProbeKind::f32_fma && find_probe(probe->kind, *parse_isa(probe->isa)) && chosen == nullptr)
      chosen = probe;
  return *chosen;
}

}  // namespace

MachineNoise measure_noise(double seconds) {
  const Probe& probe = probe_of_this_machine();
  const std::int64_t rounds = settle_calls(kChunkSeconds, probe.rounds_per_call, [&](std::int64_t tried) {
                                return std::optional(run_seconds(probe, tried));
                              })->calls;
  std::vector<double> values, chunks;
  const auto begin = Clock::now();
  while (values.size() < kLeastRounds || seconds_since(begin) < seconds) {
    Round round{};
    for (int i = 0; i < kBlocks; ++i) {
      Block block{.base_first = i % 2 == 0, .chunks = {}};
      for (Chunk& chunk : block.chunks) chunks.push_back(chunk.wall_ns = 1e9 * run_seconds(probe, rounds));
      round.blocks.push_back(block);
    }
    finish_round(round);
    values.push_back(round.value);
  }
  return noise_of(std::move(values), std::move(chunks));
}

MachineNoise noise_of(std::vector<double> round_values, std::vector<double> chunk_ns) {
  constexpr double kDeviationOfNormal = 1.4826;  // per median of absolute differences
  const double middle = median_of(round_values);
  for (double& value : round_values) value = std::abs(value - middle);
  std::sort(chunk_ns.begin(), chunk_ns.end());
  const auto quantile = [&](double share) {
    return chunk_ns[static_cast<std::size_t>(share * static_cast<double>(chunk_ns.size() - 1) + 0.5)];
  };
  return {.chunk_spread = (quantile(0.75) - quantile(0.25)) / quantile(0.5),
          .round_deviation = kDeviationOfNormal * median_of(round_values)};
}

std::optional<int> rounds_to_find(double slowdown, const MachineNoise& noise, const Criteria& criteria) {
  const double margin = (slowdown - criteria.min_effect) / noise.round_deviation;
  const double hit = noise.round_deviation > 0 ? 0.5 * std::erfc(-margin / std::sqrt(2.0)) : 1;
  for (int rounds = 1; rounds <= kMostSigns; ++rounds)
    if (log_e_value(static_cast<int>(hit * rounds), rounds) >= -std::log(criteria.alpha)) return rounds;
  return std::nullopt;
}

}  // namespace attn::bench::gate
