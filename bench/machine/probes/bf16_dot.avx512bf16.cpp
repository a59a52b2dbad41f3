// The ceiling of bf16 arithmetic in the vector unit: VDPBF16PS adds two products of bf16 to each of 16 sums; independent
// chains of it that never leave the registers.
#include "machine/probe.hpp"

#include <immintrin.h>

#include <array>
#include <utility>

#include "detail/simd.hpp"
#include "machine/probes/opaque.hpp"

namespace attn::ATTN_ISA {
namespace {

constexpr std::size_t kChains = 24;  // of a latency of up to 6, twice a cycle
constexpr std::int64_t kPairs = 2;

template <std::size_t... kChain>
float run_chains(std::int64_t rounds, std::index_sequence<kChain...>) {
  const auto operand = (__m512bh)_mm512_set1_epi16(0x3c00);  // 2^-7: the sums stay normal numbers
  std::array<Batch, kChains> chain{Batch(static_cast<float>(kChain))...};
  (renew(chain[kChain]), ...);  // or chains that are alike become one
  for (std::int64_t r = 0; r < rounds; ++r) ((chain[kChain] = _mm512_dpbf16_ps(chain[kChain], operand, operand)), ...);
  return reduce_add((chain[kChain] + ...));
}

float run_dot(std::int64_t rounds) { return run_chains(rounds, std::make_index_sequence<kChains>()); }

}  // namespace

extern const Probe bf16_dot;
constinit const Probe bf16_dot{.isa = ATTN_ISA_NAME,
                               .kind = ProbeKind::bf16_dot,
                               .work_per_round = 2 * static_cast<std::int64_t>(kChains) * kLanes * kPairs,
                               .rounds_per_call = 2000,
                               .run = run_dot,
                               .read = {}};
}  // namespace attn::ATTN_ISA
