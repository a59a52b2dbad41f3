// Symptoms: what spoils or shifts numbers on this machine, read from the system, each with what a person can do about it.
#pragma once

#include <string>
#include <vector>

#include "machine/system.hpp"

namespace attn::bench {

// ok: as it should be. note: shifts numbers, or cannot be seen from here. bad: spoils them.
enum class Severity { ok, note, bad };
std::string_view to_string(Severity severity);

struct Symptom {
  std::string name, state;
  Severity severity = Severity::ok;
  std::string remedy;  // empty when ok
};

// Governor, turbo, SMT, huge pages, cgroup quota, load, affinity, clock source, ASLR, hypervisor, debug build.
// `flags`: of the build.
std::vector<Symptom> examine(const System& system, const std::string& flags);

// Time since the machine was started, of all cores, in seconds; steal is what the hypervisor gave to others.
struct CpuTimes {
  double busy = 0, idle = 0, steal = 0;
};
CpuTimes cpu_times(const System& system);

// Between two moments.
Symptom steal_symptom(const CpuTimes& before, const CpuTimes& after);

// -O0, -Og or no -O at all; the last one counts.
bool is_debug_build(const std::string& flags);

}  // namespace attn::bench
