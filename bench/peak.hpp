// The ruler: f32 FMA throughput of this machine, measured in short slices beside what is compared with it.
#pragma once

#include "isa.hpp"

namespace attn::bench {

struct Peak {
  double flops_per_second = 0;  // of the whole team
  double clock_hz = 0;          // of the calling thread, from a chain of dependent integer additions
  // FLOP per cycle and core; a healthy probe shows 64 on AVX-512 and 32 on AVX2 (two FMA ports).
  double flops_per_cycle(int threads) const { return clock_hz > 0 ? flops_per_second / clock_hz / threads : 0; }
};

// The best of eight slices of 0.25 ms on `threads` threads. All zero for an ISA without a probe.
Peak measure_peak(Isa isa, int threads);

}  // namespace attn::bench
