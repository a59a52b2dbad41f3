// Roofs: the least time that a call can take by each measured ceiling, as shares of the time that it took. The highest tells
// what binds a case that is near it; one that is far from all spends its time on something else.
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
//   - exponentials: one for each visible pair, at the rate of the project's own;
//   - reading: for decode pct_bandwidth, measured beside the row over the same keys and values, else the tensors once from
//     the cache where they fit.
// What is not measured beside the row the run's ceilings have, against the f32 FMA, which is.
std::vector<Roof> roofs_of(const CaseName& name, const Json& row, const Json& ceilings);

// Gives a row `binds`, `pct_roof` and `roofs`, unless it failed or is a spread.
void add_roofs(Json& row, const Json& ceilings);

}  // namespace attn::bench
