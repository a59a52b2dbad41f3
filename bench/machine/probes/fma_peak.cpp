// The ceiling of f32 arithmetic: independent FMA chains that never leave the registers. Two ports with a latency of 4
// want at least 8 chains; as many as fit are used, so that a longer latency (or SSE2's separate multiply and add, 8
// cycles together) is covered too.
#include "machine/probe.hpp"

#include <array>
#include <utility>

#include "detail/simd.hpp"
#include "machine/probes/opaque.hpp"

namespace attn::ATTN_ISA {
namespace {

// Registers: 32 on AVX-512 and AArch64, else 16; two hold the factor and the addend.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::size_t kChains = 24;
#else
inline constexpr std::size_t kChains = 12;
#endif

// The chains are unrolled by a fold, not left to the optimiser: an array that is walked by a loop stays in memory, and
// the probe would measure store forwarding.
template <std::size_t... kChain>
float run_chains(std::int64_t rounds, std::index_sequence<kChain...>) {
  const Batch factor(0.999f), addend(1e-3f);
  std::array<Batch, kChains> chain{Batch(static_cast<float>(kChain))...};
  // A chain whose start the compiler knows may be none: from 1 the step is 1 x 0.999 + 0.001 = 1, which GCC finds out.
  (renew(chain[kChain]), ...);
  for (std::int64_t r = 0; r < rounds; ++r) ((chain[kChain] = fma(chain[kChain], factor, addend)), ...);
  return reduce_add((chain[kChain] + ...));
}

float run_fma(std::int64_t rounds) { return run_chains(rounds, std::make_index_sequence<kChains>()); }

}  // namespace

extern const Probe fma_peak;
constinit const Probe fma_peak{.isa = ATTN_ISA_NAME,
                               .kind = ProbeKind::f32_fma,
                               .work_per_round = 2 * static_cast<std::int64_t>(kChains) * kLanes,
                               .rounds_per_call = 2000,
                               .run = run_fma,
                               .read = {}};
}  // namespace attn::ATTN_ISA
