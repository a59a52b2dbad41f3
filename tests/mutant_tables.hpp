// The deliberately wrong kernels: small faults of arithmetic, compiled for the baseline ISA, and kernels that cheat or
// misbehave, for every ISA.
#pragma once

#include <vector>

#include "isa.hpp"
#include "variant.hpp"

namespace attn {

// With `control` and `control_backward`, the right ones that the others are made from.
std::span<const Variant* const> mutant_table() noexcept;
std::span<const Variant* const> hostile_table() noexcept;

inline std::vector<const Variant*> all_mutants() {
  std::vector<const Variant*> all(mutant_table().begin(), mutant_table().end());
  all.insert(all.end(), hostile_table().begin(), hostile_table().end());
  return all;
}

}  // namespace attn
