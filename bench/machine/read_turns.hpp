// ReadTurns: which of a probe's loops reads next. Which is the fastest depends on the CPU and on how much is read: all are
// tried, then the two that were fastest take turns, since a neighbour may have slowed the best of them down; and so that one
// that was slowed down when it was tried is not forgotten, now and then it is another's turn.
#pragma once

#include <array>
#include <cstddef>
#include <tuple>

#include "machine/probe.hpp"

namespace attn::bench {

class ReadTurns {
 public:
  explicit ReadTurns(const ReadLoops& loops) : loops_(loops) {}

  ReadLoop current() const { return loops_[turn_]; }
  // Of the current loop, whose turn is over. The higher is better, whatever the unit.
  void add_rate(double rate);
  // Every loop was tried.
  bool is_settled() const { return readings_ >= kTrials * kReadLoops; }

 private:
  static constexpr std::size_t kReadLoops = std::tuple_size_v<ReadLoops>, kTrials = 2, kNowAndThen = 10;

  ReadLoops loops_;
  std::array<double, kReadLoops> fastest_{};
  std::size_t turn_ = 0, readings_ = 0;
};

}  // namespace attn::bench
