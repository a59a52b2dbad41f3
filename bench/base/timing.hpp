// The clock by which everything is timed: it neither jumps nor stands still.
#pragma once

#include <chrono>

namespace attn::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Since anywhere: for differences.
inline double clock_seconds() { return seconds_since(Clock::time_point()); }

template <class Call>
double seconds_of(const Call& call) {
  const auto begin = Clock::now();
  call();
  return seconds_since(begin);
}

}  // namespace attn::bench
