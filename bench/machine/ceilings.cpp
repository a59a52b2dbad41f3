#include "machine/ceilings.hpp"

#include <string>

#include "machine/openmp_team.hpp"

namespace attn::bench {
namespace {

std::optional<Ceiling> compute_ceiling(ProbeKind kind, Isa isa, int threads, double seconds) {
  const Probe* probe = find_probe(kind, isa);
  if (probe == nullptr) return std::nullopt;
  return measure_compute(*probe, threads, seconds);
}

Json as_json(const std::optional<Ceiling>& ceiling, int threads, const char* unit) {
  if (!ceiling) return nullptr;
  return {{std::string(unit) + "_per_second", ceiling->per_second},
          {std::string(unit) + "_per_cycle_per_core", ceiling->per_cycle(threads)},
          {"clock_hz", ceiling->clock_hz}};
}

}  // namespace

Ceilings measure_ceilings(Isa isa, int threads, double seconds, const Surroundings& around, ReadGround& ground) {
  Ceilings ceilings{.isa = isa, .threads = threads};
  if (!why_not_team(form_team(threads), threads).empty()) return ceilings;
  ceilings.fma = compute_ceiling(ProbeKind::f32_fma, isa, threads, seconds);
  ceilings.dot = compute_ceiling(ProbeKind::bf16_dot, isa, threads, seconds);
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

std::optional<double> peak_in(const Json& all, Isa isa, const PeakUnit& unit, int threads) {
  for (const Json& row : all)
    if (row.value("isa", "") == to_string(isa) && row.value("threads", 0) == threads && row.contains(unit.key) &&
        row[unit.key].is_object())
      if (const double rate = row[unit.key].value("flops_per_second", 0.0); rate > 0) return rate / 1e9;
  return std::nullopt;
}

Json to_json(const Ceilings& c) {
  Json reads = Json::array();
  for (const ReadCeiling& read : c.reads) {
    Json row = {{"level", read.level.name}, {"footprint_bytes", read.level.bytes}};
    row.update(read.level.reason.empty() ? as_json(read.rate, c.threads, "bytes")
                                         : Json{{"reason", read.level.reason}});
    reads.push_back(row);
  }
  return {{"isa", to_string(c.isa)},
          {"threads", c.threads},
          {"f32_fma", as_json(c.fma, c.threads, "flops")},
          {"bf16_dot", as_json(c.dot, c.threads, "flops")},
          {"bf16_amx", as_json(c.amx, c.threads, "flops")},
          {"exp2", as_json(c.exp2, c.threads, "vectors")},
          {"read", reads}};
}

}  // namespace attn::bench
