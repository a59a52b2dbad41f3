// Comparison: two cases, A and B, of one build or two, compared until it is known which is faster, or that they are equal
// within the limit. The same rounds as the gate's, in both directions.
#pragma once

#include <functional>
#include <vector>

#include "gate/gate.hpp"

namespace attn::bench::gate {

enum class Winner { a, b, neither, unknown };

struct ComparisonSettings {
  Criteria criteria = {.min_effect = 0.0049875415};  // ln 1.005: one build, so that no layout comes between
  double chunk_ns = 2e6, round_ns = 120e6;           // as in Settings
  double max_seconds = 30;
  int fixed_rounds = 0;  // 0: until the answer is there
  std::uint64_t seed = 1;
};

struct Comparison {
  std::vector<double> rounds;  // ln(t_b / t_a)
  double a_ns = 0, b_ns = 0;   // of an iteration: medians over the rounds
  Winner winner = Winner::unknown;
  double size = 0;  // the median of the rounds
  Interval interval{};
  std::optional<double> detectable;  // the smallest difference that these rounds would have shown
  int dropped = 0;
  bool interrupted = false;
  double seconds = 0;
};

// What these rounds say.
Winner winner_of(const std::vector<double>& rounds, const Criteria& criteria);

// A is the base, B the candidate. `arena.copy` takes no part. Throws SideFailure and WrongResult.
Comparison compare_cases(const Arena& arena, const Pairing& pairing, const ComparisonSettings& settings,
                         const std::function<void(const Comparison&)>& progressed);

}  // namespace attn::bench::gate
