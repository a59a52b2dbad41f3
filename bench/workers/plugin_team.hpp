// The team of the library behind a plugin: its OpenMP runtime's, or threads that end with the work where it has none.
#pragma once

namespace attn::bench {

// Of a handle of dlopen. What run_team() uses from now on.
void borrow_team_of(void* library);

// The library that provides the team, as its path; empty for threads of this program's.
const char* team_library();

}  // namespace attn::bench
