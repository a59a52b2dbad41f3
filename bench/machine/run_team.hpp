// run_team: work for the very threads that the kernels of this process run on, so that no second team spins beside one
// that is being timed. `attnbench` has OpenMP itself (run_team.cpp); the worker of a plugin has none, and borrows the team
// of the library that it hosts (plugin_team.cpp).
#pragma once

#include <functional>

namespace attn::bench {

// Calls work(member, members) on every member of a team of `threads`, or of as many as the runtime gives, and returns
// when all have returned. Members of later calls with the same numbers are the same threads, where the runtime keeps them.
void run_team(int threads, const std::function<void(int member, int members)>& work);

}  // namespace attn::bench
