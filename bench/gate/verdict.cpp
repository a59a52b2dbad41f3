#include "gate/verdict.hpp"

#include <cmath>

namespace attn::bench::gate {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::regressed:
      return "REGRESSED";
    case Verdict::proven:
      return "PROVEN";
    case Verdict::inconclusive:
      break;
  }
  return "INCONCLUSIVE";
}

Judgement judge(const std::vector<double>& rounds, double min_effect, std::size_t tests, const Criteria& criteria) {
  const double evidence = static_cast<double>(tests) / criteria.alpha;
  Judgement judgement{.size = rounds.empty() ? 0 : median_of(rounds),
                      .interval = interval_of(rounds, criteria.proof),
                      .detectable = rounds.empty() ? std::nullopt : smallest_detectable(rounds, min_effect, evidence),
                      .log_e_slower = log_e_above(rounds, min_effect),
                      .log_e_proven = log_e_below(rounds, criteria.limit),
                      .faster = log_e_below(rounds, -min_effect) >= std::log(evidence)};
  if (judgement.log_e_slower >= std::log(evidence))
    judgement.verdict = Verdict::regressed;
  else if (judgement.log_e_proven >= std::log(criteria.proof))
    judgement.verdict = Verdict::proven;
  return judgement;
}

}  // namespace attn::bench::gate
