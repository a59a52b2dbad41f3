// The regression gate: is the candidate slower than the base? Every case is screened with a few short rounds; what is not
// proven there is measured again, on fresh data, until the answer is there or the time is over. Beside it a null arm
// compares the base with a copy of itself, and the mean over all cases is a case of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gate/report.hpp"
#include "gate/round.hpp"
#include "gate/side.hpp"
#include "gate/verdict.hpp"

namespace attn::bench::gate {

// Who takes part. `copy` is the base once more.
struct Arena {
  Side &base, &candidate, &copy;
  std::function<double()> seconds;    // of a clock that started anywhere
  std::function<bool()> interrupted;  // whether somebody wants the gate to end
};

struct Settings {
  Criteria criteria = {};
  int screen_rounds = 7;  // of every case: as many as PROVEN needs when all are below the limit
  double chunk_ns = 2e6;
  double screen_ns = 60e6, confirm_ns = 240e6;  // of both sides' chunks of a case in a round
  double max_seconds = 300;
  int fixed_rounds =
      0;  // full rounds of every case, without a screen and without stopping early; 0: as the evidence says
  std::uint64_t seed = 1;
  std::map<std::string, double> floors = {};  // log ratio that placement alone can make, by case
  std::map<std::string, Turn> turns = {};     // by case; calibrated where absent
};

struct Progress {
  Phase phase;
  int round, rounds;  // from 1; 0 where the end is open
  std::size_t cases;  // under test in this round
  double elapsed_seconds, left_seconds;
};

class Observer {
 public:
  virtual ~Observer() = default;
  // A case was measured; `null_arm` where the candidate was the copy of the base.
  virtual void measured(const CaseReport&, Phase, int /*round*/, const Round&, bool /*null_arm*/) {}
  virtual void progressed(const Report&, const Progress&) {}
};

// An EnvironmentError of a side or an observer becomes the report's `failure`, with what was measured until then.
Report run_gate(const Arena& arena, const std::vector<Pairing>& pairings, const Settings& settings, Observer& observer);

}  // namespace attn::bench::gate
