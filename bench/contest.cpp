#include "contest.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include "stop.hpp"

namespace attn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRounds = 9, kLeastRounds = 3;
constexpr double kDropAbove = 2;
// Reading the clock costs some 30 ns: less than 1 % of a batch.
constexpr double kBatchSeconds = 20e-6;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The value below which a share of them lies; `values` is not empty.
double quantile(std::vector<double> values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Turn {
  double median, fastest;  // seconds of a call
};

// Calls in batches for `seconds`, at least one. `call_seconds`: what a call is expected to take.
Turn take_turn(const PreparedCase& prepared, double seconds, double call_seconds) {
  const auto calls = static_cast<int>(std::clamp(kBatchSeconds / call_seconds, 1.0, 1e4));
  if (call_seconds < seconds) prepared.call();  // brings back what the others evicted
  std::vector<double> batches;
  const auto begin = Clock::now();
  do {
    const auto batch = Clock::now();
    for (int i = 0; i < calls; ++i) prepared.call();
    benchmark::ClobberMemory();
    batches.push_back(seconds_since(batch) / calls);
  } while (seconds_since(begin) < seconds && !interrupted());
  return {quantile(batches, 0.5), quantile(batches, 0)};
}

struct Entrant {
  Case c;
  double call_seconds;
  std::unique_ptr<PreparedCase> prepared;  // null once it dropped out
  double fastest = 0;                      // of the first turn
  std::vector<double> turns;
};

Standing standing_of(const Entrant& e) {
  const double median = quantile(e.turns, 0.5);
  return {.variant = e.c.variant,
          .seconds = median,
          .spread = (quantile(e.turns, 0.75) - quantile(e.turns, 0.25)) / median,
          .turns = static_cast<int>(e.turns.size())};
}

class Contest {
 public:
  Contest(PreparedWorkload& workload, const Variant* keep) : workload_(workload), keep_(keep) {}

  // Checks everyone and gives the first turn. Who is hopeless is let go at once, with its memory. By its fastest batch,
  // which one disturbance of the machine does not spoil.
  void first_round(const std::vector<PlannedCase>& cases, double turn_seconds) {
    for (const PlannedCase& planned : cases) {
      if (interrupted()) return;
      set_current_activity(case_name(planned.c));
      auto prepared = std::make_unique<PreparedCase>(planned.c, workload_);
      if (!prepared->verdict().passed) {
        wrong_.push_back({case_name(planned.c), prepared->verdict().failure});
        if (!workload_.inputs_are_intact()) return entrants_.clear();  // nobody's inputs are right any more
        continue;
      }
      Entrant entrant{planned.c, planned.iteration_seconds, std::move(prepared), 0, {}};
      const Turn turn = take_turn(*entrant.prepared, turn_seconds, entrant.call_seconds);
      record(entrant, turn);
      entrant.fastest = turn.fastest;
      leader_ = std::min(leader_, turn.fastest);
      entrants_.push_back(std::move(entrant));
      drop_the_slow();
    }
  }

  // The order turns around every time, so that nobody always follows the same one.
  void further_rounds(double seconds) {
    double round_seconds = 0;
    std::size_t left = 0;
    for (const Entrant& e : entrants_)
      if (e.prepared) round_seconds += e.call_seconds, ++left;
    if (left == 0) return;
    const int rounds = static_cast<int>(std::clamp<double>(seconds / round_seconds, kLeastRounds, kMostRounds));
    const double turn_seconds = seconds / (rounds * static_cast<double>(left));
    for (int round = 1; round < rounds; ++round) {
      std::reverse(entrants_.begin(), entrants_.end());
      for (Entrant& e : entrants_) {
        if (interrupted()) return;
        if (!e.prepared) continue;
        set_current_activity(case_name(e.c));
        const bool last = round + 1 == rounds;
        if (last) e.prepared->poison();
        record(e, take_turn(*e.prepared, turn_seconds, e.call_seconds));
        if (last) check_again(e);
      }
    }
  }

  ContestResult result() const {
    ContestResult result{.standings = {}, .wrong = wrong_};
    for (const Entrant& e : entrants_)
      if (!e.turns.empty()) result.standings.push_back(standing_of(e));
    std::sort(result.standings.begin(), result.standings.end(), [](const Standing& a, const Standing& b) {
      return std::pair(a.turns == 1, a.seconds) < std::pair(b.turns == 1, b.seconds);
    });
    return result;
  }

 private:
  static void record(Entrant& e, const Turn& turn) {
    e.turns.push_back(turn.median);
    e.call_seconds = turn.median;
  }

  void drop_the_slow() {
    for (Entrant& e : entrants_)
      if (e.fastest > kDropAbove * leader_ && e.c.variant != keep_) e.prepared.reset();
  }

  void check_again(Entrant& e) {
    e.prepared->check_again();
    if (e.prepared->verdict().passed) return;
    wrong_.push_back({case_name(e.c), "after timing: " + e.prepared->verdict().failure});
    e.turns.clear();
  }

  PreparedWorkload& workload_;
  const Variant* keep_;
  double leader_ = std::numeric_limits<double>::infinity();  // fastest first turn
  std::vector<Entrant> entrants_;
  std::vector<Skipped> wrong_;
};

}  // namespace

ContestResult hold_contest(const std::vector<PlannedCase>& entrants, PreparedWorkload& workload, double seconds,
                           const Variant* keep) {
  Contest contest(workload, keep);
  contest.first_round(entrants, seconds / (kMostRounds * static_cast<double>(entrants.size())));
  contest.further_rounds(seconds);
  return contest.result();
}

}  // namespace attn::bench
