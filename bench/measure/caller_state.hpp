// CallerState: what a kernel must leave as it found it, beside memory: how each thread of its team rounds, what the OpenMP
// runtime was told, the CPUs that its caller may run on. Others compute in the same process, the oracle among them.
#pragma once

#include <sched.h>

#include <string>

#include "machine/openmp_team.hpp"

namespace attn::bench {

class CallerState {
 public:
  // Makes all threads of the team round as a process does that starts, and remembers the rest.
  explicit CallerState(int threads);

  // What is no longer so, such as "it left omp_set_dynamic(1) behind"; empty when nothing is. Puts it right.
  std::string mend_changes();

 private:
  int threads_;
  OpenMpSettings settings_;
  cpu_set_t cpus_{};
  bool knows_cpus_;
};

}  // namespace attn::bench
