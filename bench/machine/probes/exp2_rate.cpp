// The rate of the project's own exp2 for finite scores, the second thing that a fused kernel's vector ports do. Throughput, not latency:
// no result feeds a later one, as in a kernel that has a tile of scores in registers.
#include <array>
#include <utility>

#include "detail/exp2.hpp"
#include "machine/probe.hpp"
#include "machine/probes/opaque.hpp"

namespace attn::ATTN_ISA {
namespace {

// In flight by the code alone; the core overlaps rounds as well. As many as keep the coefficients in registers: of
// 16 (SSE2, AVX2) they take half, and with four vectors copies and spills cost a tenth of the rate.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::size_t kVectors = 4;
#else
inline constexpr std::size_t kVectors = 2;
#endif

template <std::size_t... kVector>
float run_vectors(std::int64_t rounds, std::index_sequence<kVector...>) {
  std::array<Batch, kVectors> x{Batch(-0.7f * static_cast<float>(kVector + 1))...}, y;
  y.fill(Batch(0.0f));
  for (std::int64_t r = 0; r < rounds; ++r) {
    (renew(x[kVector]), ...);  // else exp2 would be taken once, before the loop
    ((y[kVector] = exp2_finite(x[kVector])), ...);
    (consume(y[kVector]), ...);
  }
  return reduce_add((y[kVector] + ...));
}

float run_exp2(std::int64_t rounds) { return run_vectors(rounds, std::make_index_sequence<kVectors>()); }

}  // namespace

extern const Probe exp2_rate;
constinit const Probe exp2_rate{.isa = ATTN_ISA_NAME,
                                .kind = ProbeKind::exp2,
                                .work_per_round = kVectors,
                                .rounds_per_call = 1500,
                                .run = run_exp2,
                                .read = {}};
}  // namespace attn::ATTN_ISA
