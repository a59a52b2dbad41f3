#include "team.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

namespace attn::bench {
namespace {

// The CPU clock of a thread, which is right at any moment; what /proc tells is as old as the last tick. The clock's
// number is the kernel's ABI: MAKE_THREAD_CPUCLOCK in linux/posix-timers.h.
std::int64_t core_nanoseconds(int thread) {
  constexpr unsigned kOfThread = 4, kScheduled = 2;
  timespec time{};
  if (clock_gettime(static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | kOfThread | kScheduled), &time) != 0)
    return 0;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::map<int, std::int64_t> core_times() {
  std::map<int, std::int64_t> times;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = task.path().filename();
    int thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc())
      times[thread] = core_nanoseconds(thread);
  }
  return times;
}

// Nanoseconds on a core since then, by thread.
std::map<int, std::int64_t> core_times_since(const std::map<int, std::int64_t>& begin) {
  auto times = core_times();
  for (auto& [thread, nanoseconds] : times)
    if (const auto before = begin.find(thread); before != begin.end()) nanoseconds -= before->second;
  return times;
}

}  // namespace

TeamClock::TeamClock() : begin_(core_times()) {}

int TeamClock::threads_used() const {
  const auto times = core_times_since(begin_);
  std::int64_t busiest = 0;
  for (const auto& [thread, nanoseconds] : times) busiest = std::max(busiest, nanoseconds);
  if (busiest == 0) return 0;
  return static_cast<int>(
      std::count_if(times.begin(), times.end(), [&](const auto& t) { return t.second * 20 >= busiest; }));
}

void wait_for_resting_teams() {
  using namespace std::chrono_literals;
  constexpr auto kLook = 1ms;
  const int self = gettid();
  for (auto waited = 0ms; waited < 300ms; waited += kLook) {
    const auto begin = core_times();
    if (begin.size() <= 1) return;
    std::this_thread::sleep_for(kLook);
    const auto times = core_times_since(begin);
    const bool resting =
        std::all_of(times.begin(), times.end(), [&](const auto& t) { return t.first == self || t.second < 10'000; });
    if (resting) return;
  }
}

}  // namespace attn::bench
