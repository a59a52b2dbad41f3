// Probe: a measuring loop that is compiled per ISA and sealed like a variant.
#pragma once

#include <cstdint>
#include <span>

namespace attn {

struct Probe {
  const char* isa;
  // FLOPs of one call with n rounds.
  std::int64_t flops_per_round;
  // Fused multiply-adds in registers only; returns a value that depends on all of them.
  float (*run)(std::int64_t rounds);
};

// One row per ISA; generated.
std::span<const Probe* const> probe_table() noexcept;

}  // namespace attn
