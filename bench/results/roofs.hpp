// Roofs: the least time that a call can take by each measured ceiling, as shares of the time that it took. The largest tells
// what binds the case.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cases/case.hpp"

namespace attn::bench {

struct Roof {
  std::string name;  // fma, bf16 dot, bf16 tiles, exp, L1 read ... L3 read, memory read
  double percent;
};

// Of a row of a result file, the highest first; of a layer, and where `ceilings` (machine/ceilings.hpp) have no such team and
// ISA, of its arithmetic alone.
//   - arithmetic: pct_peak, measured beside the row;
//   - exponentials: one for each visible pair, at the rate of the project's own. The run's ceilings have it against the f32
//     FMA, whose share was measured beside the row: a clock that fell since does not count;
//   - reading: for decode pct_bandwidth, measured beside the row over the same keys and values, else the tensors once at the
//     rate that the run's ceilings have for the cache where they fit.
std::vector<Roof> roofs_of(const CaseName& name, const Json& row, const Json& ceilings);

// Gives a row `binds`, `pct_roof` and `roofs`, unless it failed or is a spread.
void add_roofs(Json& row, const Json& ceilings);

}  // namespace attn::bench
