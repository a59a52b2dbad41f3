// TeamClock: how many threads of this process were at work between construction and the question.
#pragma once

#include <cstdint>
#include <map>

namespace attn::bench {

class TeamClock {
 public:
  TeamClock();
  // Threads that were on a core for at least 5 % of the busiest one's time; 0 where the system does not tell.
  // A thread that spins at a barrier counts: it occupies its core.
  int threads_used() const;

 private:
  std::map<int, std::int64_t> begin_;  // nanoseconds on a core, by thread id
};

// Waits until no thread but the calling one is at work, for 0.3 s at most. A team spins on after its last region, for
// milliseconds with GCC's runtime and up to 0.2 s with LLVM's, and would be taken for threads that work.
void wait_for_resting_teams();

}  // namespace attn::bench
