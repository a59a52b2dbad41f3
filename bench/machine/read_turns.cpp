#include "machine/read_turns.hpp"

#include <algorithm>
#include <utility>

namespace attn::bench {

void ReadTurns::add_rate(double rate) {
  fastest_[turn_] = std::max(fastest_[turn_], rate);
  ++readings_;
  if (!is_settled()) {
    turn_ = readings_ % kReadLoops;
  } else if (readings_ == kTrials * kReadLoops) {
    // The slowest goes last, where no turn comes to it.
    const auto slowest = static_cast<std::size_t>(std::ranges::min_element(fastest_) - fastest_.begin());
    std::swap(loops_[slowest], loops_.back());
    turn_ = 0;
  } else {
    turn_ = (turn_ + 1) % (kReadLoops - 1);
  }
}

}  // namespace attn::bench
