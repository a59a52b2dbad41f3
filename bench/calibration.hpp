// Calibration: how fast a kernel is, from a few calls on a small problem, for predicting how long cases will take.
#pragma once

#include <map>
#include <tuple>

#include "case.hpp"

namespace attn::bench {

class Calibration {
 public:
  // Of this process; measured when first asked for. Prefill has queries to share work over, decode has not: one speed each.
  // A low one is assumed of a kernel that cannot prepare itself, whose row will say so, and after an interruption.
  double flops_per_second(const Case& c);

 private:
  std::map<std::tuple<const Variant*, int, bool>, double> speeds_;
};

}  // namespace attn::bench
