// How long cases will take: what is assumed of the oracle, and Calibration: how fast a kernel is, from a few calls on a
// small problem.
#pragma once

#include <map>
#include <tuple>

#include "cases/case.hpp"

namespace attn::bench {

// Bytes per second at which inputs are filled, and outputs taken to the oracle: low enough for any machine.
inline constexpr double kFillBytes = 4e8;

// Predicted seconds for oracle and yardstick, low enough a speed assumed for any machine.
double oracle_seconds(const Workload& workload);

class Calibration {
 public:
  // Of this process; measured when first asked for. Prefill has queries to share work over, decode has not: one
  // speed each, and of each dtype and kind of cache.
  // A low one is assumed of a kernel that cannot prepare itself, whose row will say so, and after an interruption.
  double flops_per_second(const Case& c);

 private:
  std::map<std::tuple<const Variant*, int, bool, std::int32_t, std::int32_t>, double> speeds_;
};

}  // namespace attn::bench
