// A part of a test in a process of its own, which ends without any farewell, as one that is killed.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace attn::test {

// Whether `part`, which tells by its result if all was as it should be, ran so.
template <class Part>
bool holds_in_a_process_that_dies(const Part& part) {
  const pid_t child = fork();
  if (child == 0) {
    bool holds = false;
    try {
      holds = part();
    } catch (...) {
    }
    _exit(holds ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace attn::test
