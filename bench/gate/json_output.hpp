// gate.json, for tools; A.json and B.json, the same rounds in Google Benchmark's form, for its compare.py.
#pragma once

#include "base/json.hpp"
#include "gate/report.hpp"

namespace attn::bench::gate {

// Ratios are candidate / base; null where nothing bounds them yet.
Json to_json(const Report& report);

enum class Which { base, candidate };
// A repetition per round.
Json benchmark_json(const Report& report, Which which);

}  // namespace attn::bench::gate
