#include "gate/comparison.hpp"

#include <algorithm>
#include <cmath>

namespace attn::bench::gate {

Winner winner_of(const std::vector<double>& rounds, const Criteria& criteria) {
  const double evidence = std::log(2 / criteria.alpha);  // either may win
  if (log_e_above(rounds, criteria.min_effect) >= evidence) return Winner::a;
  if (log_e_below(rounds, -criteria.min_effect) >= evidence) return Winner::b;
  const Interval interval = interval_of(rounds, criteria.proof);
  return interval.low > -criteria.limit && interval.high < criteria.limit ? Winner::neither : Winner::unknown;
}

// Both sides make as many calls in a turn. They may differ in speed a thousandfold: turns are made for the slower one.
static Turn slower_turn(const Turn& a, const Turn& b) {
  return a.chunk_ns * static_cast<double>(b.iterations) > b.chunk_ns * static_cast<double>(a.iterations) ? a : b;
}

Comparison compare_cases(const Arena& arena, const Pairing& pairing, const ComparisonSettings& settings,
                         const std::function<void(const Comparison&)>& progressed) {
  Random random(settings.seed);
  Comparison report;
  std::vector<double> a_ns, b_ns;
  Turn turn;
  const double begin = arena.seconds();
  const int most_rounds = settings.fixed_rounds > 0 ? settings.fixed_rounds : kMostSigns;
  double round_seconds = 0;
  for (int number = 1; number <= most_rounds; ++number) {
    const double round_begin = arena.seconds();
    if (settings.fixed_rounds == 0 &&
        (report.winner != Winner::unknown || round_begin - begin + round_seconds > settings.max_seconds))
      break;
    if ((report.interrupted = arena.interrupted())) break;
    const std::array<Side*, 2> sides = {&arena.base, &arena.candidate};
    in_random_order(sides, random, [&](Side* side) { side->launch(random()); });
    in_random_order(sides, random,
                    [&](Side* side) { side->prep(side == &arena.base ? pairing.base_case : pairing.candidate_case); });
    if (turn.iterations == 0)
      turn = slower_turn(calibrate(arena.base, pairing.base_case, settings.chunk_ns),
                         calibrate(arena.candidate, pairing.candidate_case, settings.chunk_ns));
    const Round round = measure_round(arena.base, arena.candidate, pairing, turn.iterations,
                                      blocks_for(settings.round_ns, turn), random);
    const RoundTimes times = times_of(round, Phase::confirm, number, turn.iterations);
    a_ns.push_back(times.base_ns);
    b_ns.push_back(times.candidate_ns);
    report.rounds.push_back(round.value);
    report.dropped += round.dropped;
    report.a_ns = median_of(a_ns);
    report.b_ns = median_of(b_ns);
    report.size = median_of(report.rounds);
    report.interval = interval_of(report.rounds, settings.criteria.proof);
    report.detectable = smallest_detectable(report.rounds, settings.criteria.min_effect, 2 / settings.criteria.alpha);
    report.winner = winner_of(report.rounds, settings.criteria);
    report.seconds = arena.seconds() - begin;
    round_seconds = arena.seconds() - round_begin;
    progressed(report);
  }
  return report;
}

}  // namespace attn::bench::gate
