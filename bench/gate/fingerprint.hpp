// What must be equal before two builds can be compared: machine, compiler, flags, libraries, cases. Only the code may
// differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gate/round.hpp"
#include "gate/side.hpp"

namespace attn::bench::gate {

// Facts that belong to the code, and may differ.
inline constexpr std::string_view kCodeFacts[] = {"revision", "slowdown"};

// Throws EnvironmentError naming every fact that differs, or the side that is no optimised build.
void require_alike(const Facts& base, const Facts& candidate);

struct Pairings {
  std::vector<Pairing> both;
  std::vector<std::string> only_base, only_candidate;
};

// The cases that both sides have, in the base's order.
Pairings pair_up(const std::vector<std::string>& base, const std::vector<std::string>& candidate);

// Throws EnvironmentError when a side has a case that the other lacks.
void require_same_cases(const Pairings& pairings);

}  // namespace attn::bench::gate
