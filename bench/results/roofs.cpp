#include "results/roofs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "machine/peak_unit.hpp"
#include "results/rows.hpp"

namespace attn::bench {
namespace {

const Json* ceilings_of(const Json& all, const CaseName& name) {
  if (!all.is_array()) return nullptr;
  for (const Json& ceilings : all)
    if (ceilings.value("isa", "") == name.isa && ceilings.value("threads", 0) == name.threads) return &ceilings;
  return nullptr;
}

double rate_of(const Json& ceilings, const char* ceiling, const char* rate) {
  return ceilings.contains(ceiling) && ceilings[ceiling].is_object() ? ceilings[ceiling].value(rate, 0.0) : 0;
}

// Of the whole team. Ceilings are measured over half of what a thread can have of a cache.
const Json* level_that_holds(const Json& ceilings, double bytes) {
  const Json* found = nullptr;
  if (const auto levels = ceilings.find("read"); levels != ceilings.end())
    for (const Json& level : *levels) {
      found = &level;
      if (bytes <= 2 * level.value("footprint_bytes", 0.0)) break;
    }
  return found;
}

// The share of the time that a call took which work of `seconds` at the rates of the run's ceilings is. These have it against
// the f32 FMA, whose share was measured beside the row: what slowed the machine down since, or before, slowed both.
double percent_of(double seconds, const CaseName& name, double pct_fma_peak, const Json& ceilings) {
  const double fma = rate_of(ceilings, "f32_fma", "flops_per_second");
  return pct_fma_peak * seconds * fma / static_cast<double>(flops(name.workload));
}

double exp_seconds(const CaseName& name, const Json& ceilings) {
  const Problem& p = name.workload.problem;
  const double pairs = static_cast<double>(visible_pairs(p)) * static_cast<double>(p.batch * p.heads);
  const std::optional<Isa> isa = parse_isa(name.isa);
  return isa ? pairs / level_of(*isa).lanes / rate_of(ceilings, "exp2", "vectors_per_second") : 0;
}

// Null where nothing is known of reading.
const Json* level_of_reading(const CaseName& name, double bytes, const Json* ceilings) {
  const bool cold = name.workload.setup.cache == CacheState::cold;
  return ceilings == nullptr ? nullptr : level_that_holds(*ceilings, cold ? std::numeric_limits<double>::max() : bytes);
}

}  // namespace

std::vector<Roof> roofs_of(const CaseName& name, const Json& row, const Json& ceilings) {
  std::vector<Roof> roofs;
  const PeakUnit& unit = unit_of_row(row, name);
  const double pct_peak = row.value("pct_peak", 0.0),
               pct_fma_peak = row.value("pct_fma_peak", &unit == &kFma ? pct_peak : 0.0);
  roofs.push_back({&unit == &kFma ? "fma" : unit.name, pct_peak});
  const Problem& p = name.workload.problem;
  const Json* own = name.workload.is_layer() ? nullptr : ceilings_of(ceilings, name);
  if (own != nullptr) roofs.push_back({"exp", percent_of(exp_seconds(name, *own), name, pct_fma_peak, *own)});
  if (row.contains("pct_bandwidth")) {
    const Json* level = level_of_reading(name, static_cast<double>(needed_kv_bytes(p)), own);
    roofs.push_back(
        {level == nullptr ? "read" : level->value("level", "") + " read", row["pct_bandwidth"].get<double>()});
  } else if (const auto bytes = static_cast<double>(minimal_bytes(p)); own != nullptr) {
    if (const Json* level = level_of_reading(name, bytes, own))
      roofs.push_back({level->value("level", "") + " read",
                       percent_of(bytes / level->value("bytes_per_second", 0.0), name, pct_fma_peak, *own)});
  }
  std::erase_if(roofs, [](const Roof& roof) { return !std::isfinite(roof.percent) || !(roof.percent > 0); });
  std::ranges::stable_sort(roofs, std::greater(), &Roof::percent);
  return roofs;
}

void add_roofs(Json& row, const Json& ceilings) {
  const std::string aggregate = row.value("aggregate_name", "");
  if (!(aggregate.empty() || aggregate == "median" || aggregate == "mean")) return;
  if (row.value("error_occurred", false) || !(row.value("flops", 0.0) > 0)) return;
  const std::vector<Roof> roofs = roofs_of(parse_case_name(row.at("name").get<std::string>()), row, ceilings);
  if (roofs.empty()) return;
  row["binds"] = roofs.front().name;
  row["pct_roof"] = roofs.front().percent;
  for (const Roof& roof : roofs) row["roofs"][roof.name] = roof.percent;
}

}  // namespace attn::bench
