#include "machine/clock.hpp"

#include <cstdint>

#include "base/timing.hpp"

namespace attn::bench {

double measure_clock_hz() {
  constexpr int kRounds = 4'000, kAdditions = 16;
  std::uint64_t value = 1;
  // In a register, since some cores fold additions of immediates away.
  const std::uint64_t step = 3;
  const auto begin = Clock::now();
  for (int r = 0; r < kRounds; ++r) {
#if defined(__x86_64__)
    asm volatile(".rept 16\n\tadd %1, %0\n\t.endr" : "+r"(value) : "r"(step) : "cc");
#elif defined(__aarch64__)
    asm volatile(".rept 16\n\tadd %0, %0, %1\n\t.endr" : "+r"(value) : "r"(step));
#endif
  }
  return kRounds * kAdditions / seconds_since(begin);
}

}  // namespace attn::bench
