// A mutant may crash, so each runs in a process of its own: this program, started again with
//   attn_tests --mutant NAME/ISA FIRST_CHECK all|until_killed
// which runs the battery on it and prints a line "CHECK passed" or "CHECK failed" for every check. A fresh
// process rather than a fork: a forked child inherits OpenMP's idea of a team, but not its threads, and
// hangs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "variant.hpp"

namespace attn::test {

// NAME/ISA.
std::string name_of(const Variant& mutant);

inline constexpr const char* kMutantFlag = "--mutant";

// main() of the started process.
int run_mutant_process(int argc, char** argv);

enum class Outcome { passed, failed, crashed };
enum class Extent { all, until_killed };  // of the battery

// The outcome of every check of the battery, in its order, or of those to the first that kills. May be called by several threads. Throws std::runtime_error
// when no process could be started.
std::vector<Outcome> run_battery_in_processes(const Variant& mutant, Extent extent);

}  // namespace attn::test
