// passes: the cases of one problem and team take turns. A pass goes over them in random order, each for a few
// milliseconds, rather than once over each for long: what slows the machine down for a while then slows all of them, and
// what is said of two cases is said of passes that both were in (standing.hpp). No clock in here: whoever takes a turn
// tells how long it took, so that the whole can be tried on a simulated machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/reason.hpp"
#include "measure/measurement.hpp"
#include "measure/standing.hpp"

namespace attn::bench {

inline constexpr int kMostPasses = 15, kLeastPasses = 3;

// A case that has no figure: its result is wrong, or it could not be measured.
struct CaseFailed : std::runtime_error {
  explicit CaseFailed(Failure why) : std::runtime_error(why.text), failure(std::move(why)) {}
  Failure failure;
};

struct Entrant {
  std::string name;
  double call_seconds;  // as predicted
  // Throws CaseFailed. A verdict that did not pass is one, too.
  std::function<Measurement(std::int64_t calls)> measure;
};

struct PassSettings {
  double seconds = 0.1;  // of timed calls of a case, over all of its passes
  // So many turns of every case, each of `seconds`; 0: kMostPasses, or as many as have half a millisecond each, or of cases
  // with long calls as many as they can make in five times `seconds`; kLeastPasses at least.
  int repetitions = 0;
  // A case that was slower than the fastest by this factor in both of its first two turns takes no more; 0: all stay.
  double drop_above = 0;
  std::size_t keep = SIZE_MAX;  // this one stays whatever it does

  // Turns of a case whose calls take so long, and the seconds that each of them aims at.
  int turns(double call_seconds) const;
  double turn_seconds() const { return repetitions > 0 ? seconds : seconds / most_turns(); }
  double most_turns() const;
};

// What one case gave.
struct Series {
  std::int64_t calls = 0;                         // of each of its turns
  std::vector<std::optional<Measurement>> turns;  // by pass; empty where it sat out
  Failure failed;                                 // then nothing else counts
  bool dropped = false;

  PassTimes times() const;
};

struct PassHooks {
  std::function<void(std::size_t entrant, int turn, int turns)> begin_turn;
  // Asked before every turn: the passes end, and the begun one does not count, for anybody.
  std::function<bool()> stop;
  // After every pass but the last, with what there is by then; may be empty.
  std::function<void(std::span<const Series>)> end_pass = {};
};

// Goes over the entrants until each has its turns; Series in the order of the entrants.
std::vector<Series> take_passes(std::span<const Entrant> entrants, const PassSettings& settings,
                                std::mt19937_64& random, const PassHooks& hooks);

}  // namespace attn::bench
