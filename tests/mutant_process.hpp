// A mutant may crash, so each runs in a process of its own: this program, started again with
//   attn_tests --mutant NAME [FIRST_CHECK]
// which runs the battery on it and prints a line "CHECK passed" or "CHECK failed" for every check. A fresh
// process rather than a fork: a forked child inherits OpenMP's idea of a team, but not its threads, and
// hangs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "variant.hpp"

namespace attn {

// The deliberately wrong kernels, and `control`, the right one that they are made from.
std::span<const Variant* const> mutant_table() noexcept;

}  // namespace attn

namespace attn::test {

inline constexpr const char* kMutantFlag = "--mutant";

// main() of the started process.
int run_mutant_process(int argc, char** argv);

enum class Outcome { passed, failed, crashed };

// The outcome of every check of the battery, in its order. Throws std::runtime_error when no process could be
// started.
std::vector<Outcome> run_battery_in_processes(const std::string& mutant);

}  // namespace attn::test
