#include "machine/team.hpp"

#include <fmt/format.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace attn::bench {
namespace {

// 0 where there is no such clock (any more).
std::int64_t nanoseconds(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return 0;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The CPU clock of a thread, which is right at any moment; what /proc tells is as old as the last tick. The clock's
// number is the kernel's ABI: MAKE_THREAD_CPUCLOCK in linux/posix-timers.h.
std::int64_t core_nanoseconds(int thread) {
  constexpr unsigned kOfThread = 4, kScheduled = 2;
  return nanoseconds(static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | kOfThread | kScheduled));
}

std::int64_t waiting_nanoseconds(const std::filesystem::path& task) {
  std::ifstream file(task / "schedstat");  // on a core, ready without one, times it got a core
  std::int64_t core = 0, waiting = 0;
  return file >> core >> waiting ? waiting : 0;
}

// On a core, or ready for one: beside neighbours a thread that spins may not run for a while.
bool is_runnable(int thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/stat", thread));
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');  // what stands before may contain anything
  return name_end != std::string::npos && line.compare(name_end, 3, ") R") == 0;
}

}  // namespace

std::string suspicion(int threads, const TeamUse& use, bool may_use_fewer) {
  constexpr double kLeastSeconds = 4e-3;  // below, a wake-up counts
  // Work for which a kernel may rightly do without a thread.
  constexpr double kLongCall = 2e-3;
  if (use.calls == 0 || use.wall_seconds < kLeastSeconds) return {};
  const double busy = use.cpus_busy();
  if (busy > threads + 0.35)
    return fmt::format("{:.1f} CPUs busy where {} thread{} should be", busy, threads, threads == 1 ? "" : "s");
  // Threads that ended again have taken what they waited for with them, but they worked beside the caller.
  const double share = use.ended_seconds / (use.ended_seconds + use.caller_seconds);
  if (threads == 1 && share > 0.2 && share < 0.8)
    return fmt::format("threads of its own took {:.0f} % of the CPU time where 1 thread should be", 100 * share);
  // A team of n that shares n + 1 equal pieces of work keeps (n + 1) / 2 CPUs busy.
  const bool long_calls = use.wall_seconds >= kLongCall * static_cast<double>(use.calls);
  const bool all_seen = use.ended_seconds < 0.05 * use.cpu_seconds;
  if (threads == 1 || may_use_fewer || !long_calls || !all_seen || busy >= 0.5 * threads + 0.2) return {};
  return fmt::format("{:.1f} of {} CPUs busy", busy, threads);
}

std::map<int, TeamClock::Times> TeamClock::now() {
  std::map<int, Times> times;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = task.path().filename();
    int thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc())
      times[thread] = {core_nanoseconds(thread), waiting_nanoseconds(task.path())};
  }
  return times;
}

std::map<int, TeamClock::Times> TeamClock::since(const std::map<int, Times>& begin) {
  auto times = now();
  for (auto& [thread, spent] : times)
    if (const auto before = begin.find(thread); before != begin.end()) {
      spent.core -= before->second.core;
      spent.waiting -= before->second.waiting;
    }
  return times;
}

TeamClock::TeamClock()
    : begin_(now()),
      begin_cpu_(nanoseconds(CLOCK_PROCESS_CPUTIME_ID)),
      begin_caller_(nanoseconds(CLOCK_THREAD_CPUTIME_ID)),
      begin_wall_(nanoseconds(CLOCK_MONOTONIC)) {}

int TeamClock::threads_used() const {
  const auto times = since(begin_);
  std::int64_t busiest = 0;
  for (const auto& [thread, spent] : times) busiest = std::max(busiest, spent.core);
  if (busiest == 0) return 0;
  return static_cast<int>(
      std::count_if(times.begin(), times.end(), [&](const auto& t) { return t.second.core * 20 >= busiest; }));
}

double TeamClock::surplus(int threads) const {
  if (const char* policy = std::getenv("OMP_WAIT_POLICY"); policy != nullptr && strcasecmp(policy, "active") == 0)
    return 0;
  // Looking at the others takes the caller time, which is none of its work.
  const std::int64_t caller = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  std::vector<std::int64_t> spent = {caller - begin_caller_};
  for (const auto& [thread, times] : since(begin_))
    if (thread != gettid()) spent.push_back(times.core);
  const std::int64_t looking = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - caller;
  // Also of threads that ended. Asked last: of a thread that runs it counts what was there when somebody asked for it.
  const auto cpu = static_cast<double>(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu_ - looking);
  std::ranges::sort(spent, std::greater());
  spent.resize(std::min(spent.size(), static_cast<std::size_t>(threads)));
  const auto team = static_cast<double>(std::accumulate(spent.begin(), spent.end(), std::int64_t{0}));
  return cpu > 0 ? std::clamp(1 - team / cpu, 0.0, 1.0) : 0;
}

TeamUse TeamClock::use(std::int64_t calls) const {
  constexpr double kSecond = 1e9;
  TeamUse use{.wall_seconds = static_cast<double>(nanoseconds(CLOCK_MONOTONIC) - begin_wall_) / kSecond,
              .cpu_seconds = static_cast<double>(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu_) / kSecond,
              .calls = calls,
              .caller_seconds = static_cast<double>(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - begin_caller_) / kSecond};
  double alive = 0;
  for (const auto& [thread, spent] : since(begin_)) {
    const double core = static_cast<double>(spent.core) / kSecond;
    alive += core;
    // A wait counts when it ends: one that had begun before may be longer than all the time since.
    use.waiting_seconds +=
        std::clamp(static_cast<double>(spent.waiting) / kSecond, 0.0, std::max(0.0, use.wall_seconds - core));
  }
  use.ended_seconds = std::max(0.0, use.cpu_seconds - alive);
  return use;
}

bool wait_for_resting_teams() {
  using namespace std::chrono_literals;
  constexpr auto kLook = 1ms;
  const int self = gettid();
  for (auto waited = 0ms; waited < 300ms; waited += kLook) {
    const auto begin = TeamClock::now();
    if (begin.size() <= 1) return true;
    std::this_thread::sleep_for(kLook);
    const auto times = TeamClock::since(begin);
    if (std::all_of(times.begin(), times.end(), [&](const auto& t) {
          return t.first == self || (t.second.core < 10'000 && !is_runnable(t.first));
        }))
      return true;
  }
  return false;
}

}  // namespace attn::bench
