// WorkerProcess: a process that answers lines with lines of JSON. It starts the process, talks with it, and notices when it
// crashes or hangs: what happens there costs the parent nothing but an exception. What is asked is known to Worker.
#pragma once

#include <sys/types.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/reason.hpp"

namespace attn::bench {

// The worker died (crashed), hung, answered with an error, or was not one (failed).
struct WorkerError : std::runtime_error {
  WorkerError(Reason why, const std::string& text, bool users = false)
      : std::runtime_error(text), reason(why), usage(users) {}
  Reason reason;
  bool usage;              // it cannot have what the user named, a plugin or tensors
  std::string activity{};  // what was running where it crashed; empty where it does not tell
  // What that is for the kernel that was asked for.
  Failure of_its_kernel() const { return {reason, std::string("its worker ") + what()}; }
};

class WorkerProcess {
 public:
  // `command`: program and arguments. Starts nothing yet.
  explicit WorkerProcess(std::vector<std::string> command);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Starts a process, after the end of one that runs, and returns what it says of itself. A process that answers with
  // an error object instead of a hello throws WorkerError with its text. `environment`: NAME=VALUE entries on top of this
  // process's.
  Json launch(const std::vector<std::string>& environment, double seconds);
  bool running() const { return pid_ > 0; }

  // Sends a line and waits for the answer, at most so many seconds. Between requests the process and all its threads are
  // stopped (SIGSTOP): whatever its runtime does with idle threads, they cannot disturb who is measured meanwhile.
  // Throws WorkerError: with the worker's own words when it answers {"ok": false}, then it goes on running; else it is
  // gone, also when the user interrupts.
  Json request(const std::string& line, double seconds);

  // Ends the process, if there is one.
  void end();

 private:
  std::string read_line(double seconds);
  [[noreturn]] void fail(Reason reason, const std::string& what, const std::string& activity = "");
  // `told`: its last line, where that is one on its crash.
  [[noreturn]] void fail_as_it_ended(const std::string& told = "");

  std::vector<std::string> command_;
  pid_t pid_ = 0;
  int to_ = -1, from_ = -1;
  std::string received_;  // beyond the last line
};

// The command that runs a program. Under an emulator the variable ATTN_LAUNCHER holds what to put before it.
std::vector<std::string> command_of(const std::string& program);
// The same of this very program.
std::vector<std::string> own_command();

}  // namespace attn::bench
