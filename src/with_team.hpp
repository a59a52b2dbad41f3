// with_team: OpenMP teams where the runtime by itself would end the process, or wait for ever.
#pragma once

#include <functional>

namespace attn {

// Throws std::system_error when a team of so many threads cannot start here, naming the thread that failed. The runtime
// keeps the threads of a team, so that the next of the same size, by the same thread, is not tried again.
void require_team(int threads);

// The size of teams that ask for none.
int default_team();

// Calls `work`, whose teams have up to so many threads, after require_team(). The thread that called fork() has in the child
// a team whose threads were left behind, on which GCC's runtime would wait: there a thread of its own calls `work`.
void with_team(int threads, const std::function<void()>& work);

}  // namespace attn
