// TeamClock: what the threads of this process did between construction and the question, and whether that is what a row
// says of its team.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace attn::bench {

// What calls of a kernel cost while nothing else was at work.
struct TeamUse {
  double wall_seconds = 0;
  double cpu_seconds = 0;      // of all threads, also of those that have ended
  double waiting_seconds = 0;  // in which threads were ready to run and others had the core
  double ended_seconds = 0;    // the part of cpu_seconds of threads that have ended: how long those waited is not known
  std::int64_t calls = 0;
  double caller_seconds = 0;  // the part of cpu_seconds of the thread that called

  // CPUs that the threads kept busy, or would have without neighbours.
  double cpus_busy() const { return (cpu_seconds + waiting_seconds) / wall_seconds; }
};

// Why a kernel with this use is suspected of another team than its row's, such as "1.0 of 2 CPUs busy"; empty when it is
// not. A kernel may leave threads out where the work is small, and the shares of its threads may be uneven. `may_use_fewer`:
// only more threads than asked for are suspect.
std::string suspicion(int threads, const TeamUse& use, bool may_use_fewer);

class TeamClock {
 public:
  TeamClock();
  // Threads that were on a core for at least 5 % of the busiest one's time; 0 where the system does not tell.
  // A thread that spins at a barrier counts: it occupies its core.
  int threads_used() const;
  // The share of this process's CPU time that is of other threads than the `threads` busiest: of a team of twice as many
  // about a half, and of that what ceilings beside it dilute. Neighbours change nothing of it. 0, not known, where idle
  // threads spin for ever (OMP_WAIT_POLICY=active).
  double surplus(int threads) const;
  // On the thread that constructed it.
  TeamUse use(std::int64_t calls) const;

 private:
  struct Times {
    std::int64_t core = 0, waiting = 0;  // nanoseconds on a core, and ready without one
  };
  static std::map<int, Times> now();
  // Since then, by thread.
  static std::map<int, Times> since(const std::map<int, Times>& begin);
  friend bool wait_for_resting_teams();

  std::map<int, Times> begin_;
  std::int64_t begin_cpu_, begin_caller_, begin_wall_;
};

// Waits until no thread but the calling one is at work, for 0.3 s at most; false when some still are. A team spins on after
// its last region, for milliseconds with GCC's runtime and up to 0.2 s with LLVM's, and would be taken for threads that
// work.
bool wait_for_resting_teams();

}  // namespace attn::bench
