#include "stop.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "errors.hpp"

namespace attn::bench {
namespace {

volatile sig_atomic_t stop_requested = 0;
std::array<char, 1024> activity{};
[[maybe_unused]] constexpr std::array kCrashes = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

void request_stop(int) {
  if (stop_requested) _exit(kExitInterrupted);
  stop_requested = 1;
}

void write_text(const char* text) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text, std::strlen(text));
}

[[maybe_unused]] void report_crash(int signal_number) {
  write_text("\nattnbench: crashed (");
  write_text(signal_number == SIGSEGV  ? "SIGSEGV"
             : signal_number == SIGBUS ? "SIGBUS"
             : signal_number == SIGILL ? "SIGILL"
             : signal_number == SIGFPE ? "SIGFPE"
                                       : "SIGABRT");
  write_text(") in ");
  write_text(activity.data());
  write_text("\n");
  // Before the first case, while kernels are calibrated, there is no file to go on with.
  if (std::strncmp(activity.data(), "attention/", 10) == 0 || std::strncmp(activity.data(), "layer/", 6) == 0)
    write_text("Finished rows are in the result file; the same command with --resume goes on after this case.\n");
  _exit(kExitWrong);
}

void handle(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  for (const int signal_number : {SIGINT, SIGTERM}) handle(signal_number, request_stop);
#if !defined(__SANITIZE_ADDRESS__)  // a sanitizer's own report says more
  for (const int signal_number : kCrashes) handle(signal_number, report_crash);
#endif
  // A full pipe or a file size limit is an error of the write, not the end of the process.
  for (const int signal_number : {SIGPIPE, SIGXFSZ}) handle(signal_number, SIG_IGN);
}

void leave_crashes_to_the_parent() {
#if !defined(__SANITIZE_ADDRESS__)
  for (const int signal_number : kCrashes) handle(signal_number, SIG_DFL);
#endif
  const rlimit no_core_file{0, 0};
  setrlimit(RLIMIT_CORE, &no_core_file);
}

void set_current_activity(std::string_view text) {
  const std::size_t length = std::min(text.size(), activity.size() - 1);
  std::memcpy(activity.data(), text.data(), length);
  activity[length] = '\0';
}

bool interrupted() { return stop_requested != 0; }

}  // namespace attn::bench
