#include "machine/ceilings.hpp"

#include <fmt/format.h>

#include "machine/openmp_team.hpp"

namespace attn::bench {
namespace {

std::optional<Ceiling> compute_ceiling(ProbeKind kind, Isa isa, int threads, double seconds) {
  const Probe* probe = find_probe(kind, isa);
  if (probe == nullptr) return std::nullopt;
  return measure_compute(*probe, threads, seconds);
}

std::string flops_text(const Ceiling& ceiling, int threads) {
  return fmt::format("{:.1f} GFLOP/s, {:.1f} FLOP/cycle per core at {:.2f} GHz", ceiling.per_second / 1e9,
                     ceiling.per_cycle(threads), ceiling.clock_hz / 1e9);
}

std::string read_text(const ReadCeiling& read, int threads) {
  if (!read.level.reason.empty()) return fmt::format("{}: {}", read.level.name, read.level.reason);
  return fmt::format("{} ({}): {:.1f} GB/s, {:.1f} bytes/cycle per core", read.level.name, bytes_text(read.level.bytes),
                     read.rate.per_second / 1e9, read.rate.per_cycle(threads));
}

}  // namespace

Ceilings measure_ceilings(Isa isa, int threads, double seconds, const Surroundings& around, ReadGround& ground) {
  Ceilings ceilings{.isa = isa, .threads = threads};
  if (!why_not_team(form_team(threads), threads).empty()) return ceilings;
  ceilings.fma = compute_ceiling(ProbeKind::f32_fma, isa, threads, seconds);
  ceilings.amx = compute_ceiling(ProbeKind::bf16_amx, isa, threads, seconds);
  ceilings.exp2 = compute_ceiling(ProbeKind::exp2, isa, threads, seconds);
  const Probe* probe = find_probe(ProbeKind::read, isa);
  if (probe == nullptr) return ceilings;
  for (const ReadLevel& level : read_levels(around.caches, threads, around.available_bytes)) {
    ReadCeiling& read = ceilings.reads.emplace_back(ReadCeiling{level, {}});
    if (level.reason.empty())
      read.rate = measure_read(*probe, threads, ground.footprint(level.bytes, threads), seconds);
  }
  return ceilings;
}

std::map<std::string, std::string> context_of(const Ceilings& ceilings) {
  const std::string which = fmt::format("{}_threads_{}", to_string(ceilings.isa), ceilings.threads);
  std::map<std::string, std::string> facts;
  if (ceilings.fma) facts["fma_peak_" + which] = flops_text(*ceilings.fma, ceilings.threads);
  if (ceilings.amx) facts["amx_bf16_peak_" + which] = flops_text(*ceilings.amx, ceilings.threads);
  if (ceilings.exp2)
    facts["exp2_rate_" + which] =
        fmt::format("{:.2f} G vectors/s, {:.3f} vectors/cycle per core", ceilings.exp2->per_second / 1e9,
                    ceilings.exp2->per_cycle(ceilings.threads));
  std::string reads;
  for (const ReadCeiling& read : ceilings.reads)
    reads += (reads.empty() ? "" : "; ") + read_text(read, ceilings.threads);
  if (!reads.empty()) facts["read_bandwidth_" + which] = reads;
  return facts;
}

}  // namespace attn::bench
