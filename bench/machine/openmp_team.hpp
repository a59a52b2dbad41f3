// openmp_team: whether the OpenMP runtime gives a kernel the team that it asks for. Only kernels and ceilings start teams by
// themselves; here they are looked at before. In a program without OpenMP of its own only the environment is looked at.
#pragma once

#include <string>

namespace attn::bench {

// A team of so many was started in this process, by the calling thread.
struct FormedTeam {
  int members = 1;
  bool may_shrink = false;  // the runtime may give fewer at any call
  int cpus = 0;             // that its members may run on, together; 0: the system does not tell
};

// Throws EnvironmentError, naming the team and the limits, when the system does not let its threads start: the runtime
// itself would end the process.
FormedTeam form_team(int threads);

// Why rows of such a team would not be what their name says, such as "a team of 1 where 2 threads were asked for:
// OMP_THREAD_LIMIT=1 is set". Empty when they are.
std::string why_not_team(const FormedTeam& team, int threads);

// The team of loops that ask for no size, such as those that fill inputs, can start. Throws EnvironmentError.
void require_default_team();

// What a call may have told the runtime of this process, for the regions after it.
struct OpenMpSettings {
  int dynamic = 0, max_threads = 0, max_active_levels = 0, schedule = 0, chunk = 0;
  bool operator==(const OpenMpSettings&) const = default;
};
// All 0 in a program without OpenMP of its own.
OpenMpSettings openmp_settings();
// What somebody set since then, such as "omp_set_dynamic(1)", and sets it back; empty when nothing.
std::string mend_openmp_settings(const OpenMpSettings& before);

}  // namespace attn::bench
