#include "machine/read_turns.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace attn::bench {

void ReadTurns::add_rate(double rate) {
  fastest_[turn_] = std::max(fastest_[turn_], rate);
  ++readings_;
  if (!is_settled()) {
    turn_ = readings_ % kReadLoops;
    return;
  }
  std::array<std::size_t, kReadLoops> order;
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t loop) { return fastest_[loop]; });
  if (readings_ % kNowAndThen == 0)
    turn_ = order.back();
  else
    turn_ = turn_ == order[0] ? order[1] : order[0];
}

}  // namespace attn::bench
