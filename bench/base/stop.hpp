// Why a run should end early. Signals only set a flag; every loop that takes long asks for it.
#pragma once

#include <string_view>

namespace attn::bench {

// SIGINT, SIGTERM and SIGHUP ask the run to stop: the first says on stderr what is waited for, a second one ends the
// process at once, exit 130. A crash prints the case that was running and ends with exit 1; its row is recorded by --resume.
void install_signal_handlers();

// While it lives, an exit() or _exit() that is not ours (the OpenMP runtime that cannot start a thread, a kernel) ends the
// process with exit 3, naming the case that was running.
class ExitGuard {
 public:
  ExitGuard();
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;
};

// In a worker: a crash ends the process by its signal and an exit() by its code, which tells the parent.
void leave_crashes_to_the_parent();

// Names what is running now, for the messages of a crash and of an interruption. The text must be storable in 1 KiB; longer is cut.
void set_current_activity(std::string_view text);

// The first signal writes `text`, which must live on, to this place of an open file; a negative one: to none.
void set_stop_note(int file, const char* text, long offset);

// After the end of a process that was running this: a line on --resume; empty where nothing is resumed, as while kernels
// are calibrated.
const char* how_to_go_on(std::string_view activity);

bool interrupted();

// For what takes long and leaves nothing behind, such as a plan: ends the command with exit 130. No std::exception, since
// many of those become rows.
struct Interrupted {};
void throw_if_interrupted();

// Ends the process at once, as _exit() does where no kernel is suspected of it.
[[noreturn]] void end_process(int code);

}  // namespace attn::bench
