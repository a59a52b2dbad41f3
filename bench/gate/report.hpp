// Report: all that the gate found out: what every output is made from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cases/case.hpp"
#include "gate/round.hpp"
#include "gate/verdict.hpp"

namespace attn::bench::gate {

enum class Phase { screen, suite, confirm };
std::string_view to_string(Phase phase);

// Of a case in a round, per iteration: what the files in Google Benchmark's form hold.
struct RoundTimes {
  Phase phase;
  int round;  // of the phase, from 1
  double base_ns, candidate_ns, base_cpu_ns, candidate_cpu_ns;
  double value;
  int dropped;
  double seconds;  // of all chunks together
};
RoundTimes times_of(const Round& round, Phase phase, int number, std::int64_t iterations);

struct CaseReport {
  Pairing pairing;
  double min_effect = 0;
  Turn turn = {};
  std::string wrong;                    // side and failure, when what it computes is wrong
  bool routed = false;                  // to the confirmation
  bool same_code = false;               // the kernel's machine code is equal in both builds
  std::vector<double> screen, confirm;  // a value per round
  std::vector<RoundTimes> times;
  Judgement judgement;  // of the confirmation where it was routed there, else of the screen
  int dropped = 0;      // disturbed blocks

  const std::vector<double>& rounds() const { return routed ? confirm : screen; }
};

struct Report {
  Criteria criteria;
  Facts base_facts, candidate_facts;
  std::vector<CaseReport> cases;
  std::vector<Skipped> skipped;  // of the selection, with the reason
  std::size_t routed = 0;        // cases among which alpha is shared in the confirmation
  std::vector<double> suite;
  Judgement suite_judgement;
  std::vector<double> null;  // a value per round
  Judgement null_judgement;
  std::string failure;  // what was wrong with the environment; empty when nothing was
  bool interrupted = false;
  bool out_of_time = false;
  double seconds = 0;
};

enum class Outcome { passed, wrong, environment, regressed, inconclusive, interrupted };
std::string_view to_string(Outcome outcome);  // "PASSED"

// The worst that can be said: interrupted, environment, wrong, regressed, inconclusive, passed.
Outcome outcome_of(const Report& report);
int exit_code(Outcome outcome, bool inconclusive_passes);

}  // namespace attn::bench::gate
