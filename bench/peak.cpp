#include "peak.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "probe.hpp"

namespace attn::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Cycles per second: each addition waits for the one before. Register operands, since some cores fold additions of
// immediates away.
double clock_slice() {
  constexpr int kRounds = 4'000, kAdditions = 16;
  std::uint64_t value = 1;
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

// The fastest of the slices, as for the FMA chains.
double measure_clock() {
  double fastest = 0;
  for (int slice = 0; slice < 8; ++slice) fastest = std::max(fastest, clock_slice());
  return fastest;
}

const Probe* probe_of(Isa isa) {
  // AMX machines do their f32 arithmetic in AVX-512.
  const Isa wanted = isa == Isa::amx ? Isa::avx512 : isa;
  for (const Probe* probe : probe_table())
    if (parse_isa(probe->isa) == wanted) return probe;
  return nullptr;
}

// Long enough (7 us on AVX-512) that starting and summing the chains and reading the clock cost less than 1 %.
constexpr std::int64_t kRoundsPerCall = 2000;

// FLOPs per second of the team in one slice: all the work over the time of its slowest thread.
double slice_flops(const Probe& probe, int threads, double slice_seconds) {
  std::int64_t rounds = 0;
  double seconds = 0;
#pragma omp parallel num_threads(threads) reduction(+ : rounds) reduction(max : seconds)
  {
#pragma omp barrier
    const auto begin = Clock::now();
    do {
      benchmark::DoNotOptimize(probe.run(kRoundsPerCall));
      rounds += kRoundsPerCall;
      seconds = seconds_since(begin);
    } while (seconds < slice_seconds);
  }
  return static_cast<double>(rounds * probe.flops_per_round) / seconds;
}

}  // namespace

Peak measure_peak(Isa isa, int threads) {
  const Probe* probe = probe_of(isa);
  if (probe == nullptr || !runs_here(isa)) return {};
  // A ceiling is the best of several short slices: one in which the thread lost its core is none.
  constexpr int kSlices = 8;
  constexpr double kSliceSeconds = 0.25e-3;
  Peak peak;
  benchmark::DoNotOptimize(probe->run(kRoundsPerCall));  // wakes the vector units
  for (int slice = 0; slice < kSlices; ++slice)
    peak.flops_per_second = std::max(peak.flops_per_second, slice_flops(*probe, threads, kSliceSeconds));
  peak.clock_hz = measure_clock();
  return peak;
}

}  // namespace attn::bench
