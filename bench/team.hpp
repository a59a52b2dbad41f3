// TeamClock: how many threads of this process were at work between construction and the question.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace attn::bench {

class TeamClock {
 public:
  TeamClock();
  // Threads that were on a core for at least 5 % of the busiest one's time; 0 where the system does not tell.
  // A thread that spins at a barrier counts: it occupies its core.
  int threads_used() const;

 private:
  std::map<std::string, std::int64_t> begin_;  // nanoseconds on a core, by thread id
};

}  // namespace attn::bench
