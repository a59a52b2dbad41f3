// Counters: what the CPU counted while this process ran, by Linux's perf events: user space only, all threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace attn::bench {

struct CounterKind {
  const char* name;  // "cycles"
  std::uint32_t type;
  std::uint64_t config;  // as perf_event_open has them
};

// Cycles, instructions, and reads that miss the first and the last level of cache. What lies between has no event that all
// CPUs share.
std::span<const CounterKind> hardware_counters();

struct Counted {
  std::string name;
  double value = 0;    // where the CPU counted only for a part of the time, that over this part
  std::string reason;  // why it is not countable; empty when it is
};

class Counters {
 public:
  // Of the threads that there are now, and of those that these start.
  explicit Counters(std::span<const CounterKind> kinds = hardware_counters());
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void start();
  void stop();
  std::vector<Counted> counted() const;  // between start and stop

 private:
  struct Counter {
    const char* name;
    std::vector<int> files;  // one per thread
    std::string reason;
  };
  std::vector<Counter> counters_;
};

}  // namespace attn::bench
