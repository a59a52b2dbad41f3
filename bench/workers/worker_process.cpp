#include "workers/worker_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

#include "base/descriptors.hpp"
#include "base/errors.hpp"
#include "base/printable.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "machine/thread_limits.hpp"

extern char** environ;

namespace attn::bench {
namespace {

constexpr std::size_t kLongestLine = std::size_t{16} << 20;

// Both ends of a pipe, closed in programs that are started.
std::array<int, 2> open_pipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_file_error("cannot open a pipe to a worker", errno);
  return ends;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// Only what is safe between fork and exec. A process group of its own: an interrupt typed at the terminal is the parent's.
[[noreturn]] void become(char* const* command, char* const* environment, int in, int out, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) end_process(127);  // it died before it could be watched
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  for (const int signal_number : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
    signal(signal_number, SIG_DFL);
  execvpe(command[0], command, environment);
  end_process(127);
}

// A plugin's texts come this way, and what it had its host say: none of it reaches a terminal as it is.
void make_printable(Json& json) {
  constexpr std::size_t kMostBytes = 8000;  // a message with a path in it
  if (json.is_string()) json = printable(json.get_ref<const std::string&>(), kMostBytes);
  if (json.is_structured())
    for (Json& element : json) make_printable(element);
}

}  // namespace

WorkerProcess::WorkerProcess(std::vector<std::string> command) : command_(std::move(command)) {}

WorkerProcess::~WorkerProcess() { end(); }

Json WorkerProcess::launch(const std::vector<std::string>& environment, double seconds) {
  end();
  std::vector<std::string> words = command_, variables = environment;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  const std::vector<char*> argv = pointers(words), envp = pointers(variables);
  const std::array<int, 2> to = open_pipe(), from = open_pipe();
  const pid_t parent = getpid();
  const pid_t child = fork();
  const int failure = errno;
  if (child == 0) become(argv.data(), envp.data(), to[0], from[1], parent);
  close(to[0]);
  close(from[1]);
  to_ = to[1];
  from_ = from[0];
  if (child < 0) {
    end();
    throw EnvironmentError(
        fmt::format("cannot start {}: {}; {}", command_[0], std::strerror(failure), thread_limits_text()));
  }
  setpgid(child, child);  // whoever comes first; it must be so before the group is signalled
  pid_ = child;
  Json hello = Json::parse(read_line(seconds), nullptr, false);
  make_printable(hello);
  if (hello.is_discarded() || !hello.is_object())
    fail(Reason::failed, "answered with something else than a worker's hello");
  if (hello.contains("error")) {
    end();
    throw WorkerError(Reason::failed, hello["error"].get<std::string>(), true);
  }
  if (hello.value("hello", "") != "attnbench worker") fail(Reason::failed, "is no attnbench worker");
  kill(-pid_, SIGSTOP);
  return hello;
}

Json WorkerProcess::request(const std::string& line, double seconds) {
  if (!running()) throw WorkerError(Reason::failed, "is not running");
  kill(-pid_, SIGCONT);
  const std::string text = line + "\n";
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(to_, text.data() + sent, text.size() - sent);
    if (n < 0 && errno != EINTR) fail_as_it_ended();
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  Json answer = Json::parse(read_line(seconds), nullptr, false);
  make_printable(answer);
  if (answer.is_discarded() || !answer.is_object() || !answer.contains("ok"))
    fail(Reason::failed, "answered with something else than JSON");
  kill(-pid_, SIGSTOP);
  if (answer.value("ok", false)) return answer;
  throw WorkerError(Reason::failed, answer.value("error", "failed without a reason"), answer.value("usage", false));
}

std::string WorkerProcess::read_line(double seconds) {
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (;;) {
    if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.starts_with(kCrashLine)) fail_as_it_ended(line);
      return line;
    }
    if (received_.size() > kLongestLine) fail(Reason::failed, "answered with a line without end");
    if (interrupted()) fail(Reason::not_run, "interrupted");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) fail(Reason::hung, fmt::format("hung: no answer for {:.0f} s; it was ended", seconds));
    pollfd waiting{from_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<long>(left, 200))) <= 0) continue;
    std::array<char, 65536> chunk;
    const ssize_t n = read(from_, chunk.data(), chunk.size());
    if (n > 0) received_.append(chunk.data(), static_cast<std::size_t>(n));
    if (n == 0) fail_as_it_ended();
  }
}

// Waits for the end of a process that closed its pipe or no longer reads.
void WorkerProcess::fail_as_it_ended(const std::string& told) {
  using namespace std::chrono_literals;
  Json crash = Json::parse(told, nullptr, false);
  make_printable(crash);
  const auto field = [&](const char* key) {
    return crash.is_object() && crash.contains(key) && crash[key].is_string() ? crash[key].get<std::string>() : "";
  };
  int status = 0;
  for (const auto deadline = Clock::now() + 2s; Clock::now() < deadline; usleep(1000)) {
    if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
    pid_ = 0;
    if (WIFSIGNALED(status)) {
      const char* name = sigabbrev_np(WTERMSIG(status));
      const std::string where = field("crashed");
      fail(Reason::crashed,
           fmt::format("crashed ({}){}{}", name ? fmt::format("SIG{}", name) : std::to_string(WTERMSIG(status)),
                       where.empty() ? "" : ": ", where),
           field("activity"));
    }
    if (WEXITSTATUS(status) == 127) fail(Reason::failed, fmt::format("'{}' cannot be started", command_[0]));
    fail(Reason::crashed, fmt::format("ended with exit code {}", WEXITSTATUS(status)));
  }
  fail(Reason::failed, "closed its output");
}

void WorkerProcess::fail(Reason reason, const std::string& what, const std::string& activity) {
  end();
  WorkerError error(reason, what);
  error.activity = activity;
  throw error;
}

void WorkerProcess::end() {
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);  // also ends what is stopped
    waitpid(pid_, nullptr, 0);
  }
  pid_ = 0;
  for (int* end : {&to_, &from_})
    if (*end >= 0) close(std::exchange(*end, -1));
  received_.clear();
}

std::vector<std::string> command_of(const std::string& program) {
  std::vector<std::string> command;
  if (const char* launcher = std::getenv("ATTN_LAUNCHER")) {
    std::istringstream words(launcher);
    for (std::string word; words >> word;) command.push_back(word);
  }
  command.push_back(program);
  return command;
}

std::vector<std::string> own_command() {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) throw WorkerError(Reason::failed, "cannot find this program's own file: " + error.message());
  return command_of(program);
}

}  // namespace attn::bench
