#include "base/stop.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/crash.hpp"
#include "base/errors.hpp"
#include "base/window.hpp"

namespace attn::bench {
namespace {

volatile sig_atomic_t stop_requested = 0;
std::array<char, 1024> activity{};
std::array<char, 1024> further_arguments{};
int parents_channel = -1;

volatile sig_atomic_t exits_are_foreign = 0;
volatile sig_atomic_t rewrites_a_line = 0;  // stderr is a terminal, with a progress line

struct StopNote {
  const char* text;
  long offset;
};
StopNote stop_note{};
volatile sig_atomic_t stop_note_file = -1;

// Not where there is no room for it: a signal that waits for a reader would keep the next one waiting.
void write_text(std::string_view text) {
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (poll(&room, 1, 0) <= 0) return;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

void request_stop(int) {
  if (stop_requested) end_process(kExitInterrupted);
  stop_requested = 1;
  const int error = errno;
  if (stop_note_file >= 0) {
    [[maybe_unused]] const auto written =
        pwrite(stop_note_file, stop_note.text, std::strlen(stop_note.text), stop_note.offset);
  }
  if (rewrites_a_line) write_text("\r\033[K");
  write_text("attnbench: stopping");
  if (activity[0] != '\0') {
    write_text(" after ");
    write_text(activity.data());
  }
  write_text("; again to end at once\n");
  errno = error;
}

[[maybe_unused]] void report_crash(int signal_number, siginfo_t* info, void* context) {
  SignalText where;
  tell_fault(fault_of(signal_number, *info, context), where);
  where.add("\n");
  write_text("\nattnbench: crashed (");
  write_text(signal_name(signal_number));
  write_text(") in ");
  write_text(activity.data());
  write_text(": ");
  write_text(where.view());
  if (const KnownCall* call = call_in_progress()) {
    write_text("  ");
    write_text(call->command());
    write_text(further_arguments.data());
    write_text("\n");
  }
  write_text(how_to_go_on(activity.data()));
  end_process(kExitWrong);
}

// The signal comes again, and then ends the process.
[[maybe_unused]] void tell_parent(int signal_number, siginfo_t* info, void* context) {
  SignalText where, line;
  tell_fault(fault_of(signal_number, *info, context), where);
  const auto add_string = [&](std::string_view text) {
    line.add("\"");
    for (const char c : text) {
      const bool is_plain = c >= ' ' && c != '"' && c != '\\' && c != 127;
      line.add(is_plain ? std::string_view(&c, 1) : "'");
    }
    line.add("\"");
  };
  line.add(kCrashLine);
  add_string(where.view());
  line.add(", \"activity\": ");
  add_string(activity.data());
  line.add("}\n");
  [[maybe_unused]] const auto written = write(parents_channel, line.view().data(), line.view().size());
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void report_exit() {
  if (!exits_are_foreign) return;
  std::fflush(stdout);
  write_text("\nattnbench: ended by an exit() that is not its own, in ");
  write_text(activity[0] == '\0' ? "its preparations" : activity.data());
  write_text("; what ended it said why, above: a runtime that could not start a thread, or the kernel\n");
  write_text(how_to_go_on(activity.data()));
  end_process(kExitEnvironment);
}

void handle(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

ExitGuard::ExitGuard() {
  [[maybe_unused]] static const int registered = std::atexit(report_exit);
  exits_are_foreign = 1;
}

ExitGuard::~ExitGuard() { exits_are_foreign = 0; }

void install_signal_handlers() {
  rewrites_a_line = rewrites_lines(STDERR_FILENO);
  for (const int signal_number : {SIGINT, SIGTERM}) handle(signal_number, request_stop);
  // The terminal was closed; nohup has it ignored.
  struct sigaction hangup {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) handle(SIGHUP, request_stop);
#if !defined(__SANITIZE_ADDRESS__)  // a sanitizer's own report says more
  note_uncaught_exceptions();
  use_signal_stack();
  handle_crashes(report_crash);
#endif
  // A full pipe or a file size limit is an error of the write, not the end of the process.
  for (const int signal_number : {SIGPIPE, SIGXFSZ}) handle(signal_number, SIG_IGN);
}

void leave_crashes_to_the_parent([[maybe_unused]] int channel) {
  exits_are_foreign = 0;
#if !defined(__SANITIZE_ADDRESS__)
  parents_channel = channel;
  handle_crashes(tell_parent);
#endif
  const rlimit no_core_file{0, 0};
  setrlimit(RLIMIT_CORE, &no_core_file);
}

void set_current_activity(std::string_view text) {
  const std::size_t length = std::min(text.size(), activity.size() - 1);
  std::memcpy(activity.data(), text.data(), length);
  activity[length] = '\0';
}

void set_further_arguments(std::string_view arguments) {
  const std::size_t length = arguments.size() < further_arguments.size() ? arguments.size() : 0;
  std::memcpy(further_arguments.data(), arguments.data(), length);
  further_arguments[length] = '\0';
}

void set_stop_note(int file, const char* text, long offset) {
  stop_note_file = -1;
  stop_note = {text, offset};
  stop_note_file = file;
}

const char* how_to_go_on(std::string_view what) {
  if (stop_note_file < 0) return "";
  if (!what.starts_with("attention/") && !what.starts_with("layer/")) return "";
  return "Finished passes are in the result file; the same command with --resume tries this case once more, and goes "
         "on "
         "without it when it ends there again.\n";
}

bool interrupted() { return stop_requested != 0; }

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

void end_process(int code) {
  syscall(SYS_exit_group, code);
  __builtin_unreachable();
}

}  // namespace attn::bench

// In place of libc's, for kernels in this program: no atexit handler would tell of this end.
extern "C" void _exit(int code) {  // unistd.h says that it does not return
  attn::bench::report_exit();
  attn::bench::end_process(code);
}
