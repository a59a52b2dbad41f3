#include "mutant_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "battery.hpp"
#include "mutant_tables.hpp"

extern char** environ;

namespace attn::test {
namespace {

constexpr int kUsageError = 2;
constexpr unsigned kSecondsBeforeHung = 300;  // of one check; emulated, the slowest takes 10, and on a busy machine 30

// The command that starts this program again. Under an emulator, CTest names the emulator in the environment.
std::vector<std::string> own_command() {
  std::vector<std::string> command;
  if (const char* launcher = std::getenv("ATTN_TEST_LAUNCHER")) {
    std::istringstream words(launcher);
    for (std::string word; words >> word;) command.push_back(word);
  }
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0) throw std::runtime_error("cannot find this program's own file");
  command.emplace_back(path.data(), static_cast<std::size_t>(length));
  return command;
}

struct Finished {
  std::string output;
  int status;
};

// Runs a command to its end, its standard output captured and its complaints discarded. Other threads start processes
// meanwhile, which must not hold our pipe open.
Finished run_process(const std::vector<std::string>& command) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot open a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Finished finished{};
  if (error == 0) {
    std::array<char, 256> chunk;
    for (ssize_t n; (n = read(ends[0], chunk.data(), chunk.size())) > 0;)
      finished.output.append(chunk.data(), static_cast<std::size_t>(n));
    waitpid(child, &finished.status, 0);
  }
  close(ends[0]);
  if (error != 0)
    throw std::runtime_error("cannot start " + command[0] + "; under an emulator set ATTN_TEST_LAUNCHER to it");
  return finished;
}

std::size_t index_of_check(const std::string& name) {
  for (std::size_t c = 0; c < battery().size(); ++c)
    if (battery()[c].name == name) return c;
  throw std::invalid_argument("no check is named " + name);
}

const Variant& find_mutant(const std::string& name) {
  for (const Variant* row : all_mutants())
    if (name_of(*row) == name) return *row;
  throw std::invalid_argument("no mutant is named " + name);
}

}  // namespace

std::string name_of(const Variant& mutant) { return std::string(mutant.name) + "/" + mutant.isa; }

int run_mutant_process(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s %s NAME/ISA FIRST_CHECK all|until_killed\n", argv[0], kMutantFlag);
    return kUsageError;
  }
  const bool until_killed = std::string_view(argv[4]) == "until_killed";
  const Variant& mutant = find_mutant(argv[2]);
  const rlimit no_core_file{0, 0};
  setrlimit(RLIMIT_CORE, &no_core_file);
  Fixtures fixtures(Grid::small);
  for (const Check& check : battery().subspan(index_of_check(argv[3]))) {
    alarm(kSecondsBeforeHung);
    const std::string failure = run_in_each_dtype(check, mutant, fixtures);
    std::printf("%s %s\n", check.name, failure.empty() ? "passed" : "failed");
    std::fflush(stdout);  // a crash in the next check must not take this line with it
    if (failure.empty()) continue;
    std::fprintf(stderr, "%s\n", failure.c_str());
    if (until_killed) break;
  }
  return 0;
}

std::vector<Outcome> run_battery_in_processes(const Variant& mutant, Extent extent) {
  std::vector<Outcome> outcomes;
  const auto is_done = [&] {
    const bool killed = !outcomes.empty() && outcomes.back() != Outcome::passed;
    return outcomes.size() == battery().size() || (extent == Extent::until_killed && killed);
  };
  while (!is_done()) {
    std::vector<std::string> command = own_command();
    command.insert(command.end(), {kMutantFlag, name_of(mutant), battery()[outcomes.size()].name,
                                   extent == Extent::all ? "all" : "until_killed"});
    const Finished finished = run_process(command);
    std::istringstream lines(finished.output);
    for (std::string check, verdict; lines >> check >> verdict;) {
      if (outcomes.size() == battery().size() || check != battery()[outcomes.size()].name)
        throw std::runtime_error("unexpected output of the mutant process: " + finished.output);
      outcomes.push_back(verdict == "passed" ? Outcome::passed : Outcome::failed);
    }
    if (is_done()) break;
    // A process that could not begin, rather than a kernel that crashed, says nothing about the mutant. With 0 a kernel
    // ended it.
    const int code = WIFEXITED(finished.status) ? WEXITSTATUS(finished.status) : -1;
    if (code == kUsageError || code == 126 || code == 127)
      throw std::runtime_error("the mutant process did not run: exit " + std::to_string(code));
    outcomes.push_back(Outcome::crashed);
  }
  return outcomes;
}

}  // namespace attn::test
