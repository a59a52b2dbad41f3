#include "measure/passes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/slices.hpp"

namespace attn::bench {
namespace {

// Below it a turn is mostly what comes around its calls.
constexpr double kLeastTurnSeconds = 0.5e-3;
constexpr double kStretch = 5;  // of the time of a case, where its calls are long
// Predictions from a small problem may be off by so much: only what is longer still is not timed beforehand.
constexpr double kPrediction = 3;

class Passes {
 public:
  Passes(std::span<const Entrant> entrants, const PassSettings& settings, std::mt19937_64& random,
         const PassHooks& hooks)
      : entrants_(entrants), settings_(settings), random_(random), hooks_(hooks), series_(entrants.size()) {}

  std::vector<Series> take() {
    turns_.resize(entrants_.size());
    std::vector<std::size_t> order(entrants_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random_);
    for (const std::size_t e : order)
      if (!stopped_) settle(e);
    const int passes = turns_.empty() ? 0 : *std::max_element(turns_.begin(), turns_.end());
    for (int pass = 0; pass < passes && !stopped_; ++pass) {
      std::shuffle(order.begin(), order.end(), random_);
      for (const std::size_t e : order)
        if (!stopped_ && takes_part(e, pass, passes)) take_turn(e, pass);
      // A pass that was stopped counts for nobody.
      for (Series& series : series_) series.turns.resize(static_cast<std::size_t>(stopped_ ? pass : pass + 1));
      drop_the_slow();
      if (hooks_.end_pass && !stopped_ && pass + 1 < passes) hooks_.end_pass(series_);
    }
    return std::move(series_);
  }

 private:
  bool is_out(std::size_t e) const { return series_[e].failed || series_[e].dropped; }

  // A case with few turns takes them evenly among the passes of the others.
  bool takes_part(std::size_t e, int pass, int passes) const {
    if (is_out(e)) return false;
    for (int turn = 0; turn < turns_[e]; ++turn)
      if ((2 * turn + 1) * passes / (2 * turns_[e]) == pass) return true;
    return false;
  }

  std::optional<Measurement> measure(std::size_t e, std::int64_t calls) {
    if (hooks_.stop()) return stopped_ = true, std::nullopt;
    try {
      Measurement m = entrants_[e].measure(calls);
      if (hooks_.stop()) return stopped_ = true, std::nullopt;  // it may have ended early
      if (!m.verdict.passed) throw CaseFailed(m.verdict.why());
      return m;
    } catch (const CaseFailed& failed) {
      if (failed.failure.reason != Reason::wrong && hooks_.stop())
        return stopped_ = true, std::nullopt;  // an interruption ends a worker, too
      series_[e].failed = failed.failure;
      return std::nullopt;
    }
  }

  // Finds how many calls fill a turn, from turns that do not count.
  void settle(std::size_t e) {
    const double wanted = settings_.turn_seconds();
    std::optional<SettledCalls> settled = SettledCalls{1, entrants_[e].call_seconds};
    if (settled->call_seconds < kPrediction * wanted)
      settled = settle_calls(wanted, 1, [&](std::int64_t calls) {
        hooks_.begin_turn(e, 0, 0);
        const std::optional<Measurement> m = measure(e, calls);
        return m ? std::optional(m->wall_seconds) : std::nullopt;
      });
    if (!settled) return;
    series_[e].calls = settled->calls;
    turns_[e] = settings_.turns(settled->call_seconds);
  }

  void take_turn(std::size_t e, int pass) {
    hooks_.begin_turn(e, taken_of(e) + 1, turns_[e]);
    std::optional<Measurement> m = measure(e, series_[e].calls);
    if (!m) return;
    series_[e].turns.resize(static_cast<std::size_t>(pass) + 1);
    series_[e].turns.back() = std::move(m);
  }

  int taken_of(std::size_t e) const { return static_cast<int>(without_gaps(series_[e].times()).size()); }

  // By the faster of two turns: one disturbance ends nobody.
  void drop_the_slow() {
    if (!(settings_.drop_above > 0)) return;
    std::vector<double> fastest(series_.size(), std::numeric_limits<double>::infinity());
    for (std::size_t e = 0; e < series_.size(); ++e)
      for (const double t : series_[e].times())
        if (t < fastest[e]) fastest[e] = t;
    const double leader = *std::min_element(fastest.begin(), fastest.end());
    for (std::size_t e = 0; e < series_.size(); ++e)
      if (e != settings_.keep && taken_of(e) >= 2 && fastest[e] > settings_.drop_above * leader)
        series_[e].dropped = true;
  }

  std::span<const Entrant> entrants_;
  const PassSettings& settings_;
  std::mt19937_64& random_;
  const PassHooks& hooks_;
  std::vector<Series> series_;
  std::vector<int> turns_;  // of each entrant, planned
  bool stopped_ = false;
};

}  // namespace

double PassSettings::most_turns() const {
  return std::floor(std::clamp<double>(seconds / kLeastTurnSeconds, kLeastPasses, kMostPasses));
}

int PassSettings::turns(double call_seconds) const {
  if (repetitions > 0) return repetitions;
  const double possible = kStretch * seconds / std::max(call_seconds, turn_seconds());
  return static_cast<int>(std::clamp<double>(possible, kLeastPasses, most_turns()));
}

PassTimes Series::times() const {
  PassTimes times;
  for (const std::optional<Measurement>& turn : turns)
    times.push_back(turn ? turn->wall_seconds / static_cast<double>(calls) : std::numeric_limits<double>::quiet_NaN());
  return times;
}

std::vector<Series> take_passes(std::span<const Entrant> entrants, const PassSettings& settings,
                                std::mt19937_64& random, const PassHooks& hooks) {
  return Passes(entrants, settings, random, hooks).take();
}

}  // namespace attn::bench
