// Why a run should end early. Signals only set a flag; every loop that takes long asks for it.
#pragma once

#include <string_view>

namespace attn::bench {

// SIGINT, SIGTERM and SIGHUP ask the run to stop: the first says on stderr what is waited for, a second one ends the
// process at once, exit 130. A crash prints the case that was running, where it was (crash.hpp) and the command that
// repeats it, and ends with exit 1; its row is recorded by --resume.
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

// In a worker: an exit() ends the process by its code and a crash by its signal, which tells the parent; before that a
// line of JSON goes to the channel: {"crashed": "where", "activity": "what was running"}.
void leave_crashes_to_the_parent(int channel);
inline constexpr std::string_view kCrashLine = "{\"crashed\": ";

// Names what is running now, for the messages of a crash and of an interruption. The text must be storable in 1 KiB; longer is cut.
void set_current_activity(std::string_view text);

// What a command that repeats a case of this process needs beside the case: its inputs and plugins. Of 1 KiB at most, else
// it is left out.
void set_further_arguments(std::string_view arguments);

// The first signal writes `text`, which must live on, to this place of an open file; a negative one: to none.
void set_stop_note(int file, const char* text, long offset);

// After the end of a process that was running this: a line on --resume; empty where nothing is resumed, as where there is
// no result file, or while kernels are calibrated.
const char* how_to_go_on(std::string_view activity);

bool interrupted();

// For what takes long and leaves nothing behind, such as a plan: ends the command with exit 130. No std::exception, since
// many of those become rows.
struct Interrupted {};
void throw_if_interrupted();

// Ends the process at once, as _exit() does where no kernel is suspected of it.
[[noreturn]] void end_process(int code);

}  // namespace attn::bench
