// What the rounds of a case say about it: REGRESSED, PROVEN to be slower by less than the limit, or INCONCLUSIVE.
#pragma once

#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "measure/e_process.hpp"

namespace attn::bench::gate {

// Effects are log ratios.
struct Criteria {
  double alpha = 0.01;          // of a false REGRESSED, over all cases under test together
  double limit = 0.0295588022;  // ln 1.03: what PROVEN is about
  // ln 1.01: up to it a slowdown of a case is none. Layout and a sitting can make half a percent of a short call, and
  // +3 % is found nearly as often above 1 % as above 0.5.
  double min_effect = 0.0099503309;
  double proof = 20;  // evidence for PROVEN, and on either side of an interval: it covers with 90 %

  // Half of it counts in the mean over many cases, and in the null arm, which must not need more than that to fire.
  double suite_effect() const { return std::log1p(std::expm1(min_effect) / 2); }
};

enum class Verdict { regressed, proven, inconclusive };

std::string_view to_string(Verdict verdict);  // "REGRESSED"

struct Judgement {
  Verdict verdict = Verdict::inconclusive;
  double size = 0;                   // the median of the rounds, a log ratio; 0 without any
  Interval interval{};               // PROVEN is: its upper end is below the limit
  std::optional<double> detectable;  // the smallest slowdown that these rounds would have called REGRESSED
  double log_e_slower = 0, log_e_proven = 0;
  bool faster = false;  // by more than the least effect: as certain as REGRESSED is of the other direction
};

// `tests`: cases under test, among which alpha is shared out (Bonferroni). `min_effect`: of this case. Both a slowdown
// and that it stays below the limit can be certain: REGRESSED goes first.
Judgement judge(const std::vector<double>& rounds, double min_effect, std::size_t tests, const Criteria& criteria);

}  // namespace attn::bench::gate
