#include "team.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace attn::bench {
namespace {

std::map<std::string, std::int64_t> core_times() {
  std::map<std::string, std::int64_t> times;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(task.path() / "schedstat");
    std::int64_t nanoseconds = 0;
    if (file >> nanoseconds) times[task.path().filename()] = nanoseconds;
  }
  return times;
}

}  // namespace

TeamClock::TeamClock() : begin_(core_times()) {}

int TeamClock::threads_used() const {
  auto times = core_times();
  std::int64_t busiest = 0;
  for (auto& [thread, nanoseconds] : times) {
    if (const auto before = begin_.find(thread); before != begin_.end()) nanoseconds -= before->second;
    busiest = std::max(busiest, nanoseconds);
  }
  if (busiest == 0) return 0;
  return static_cast<int>(
      std::count_if(times.begin(), times.end(), [&](const auto& t) { return t.second * 20 >= busiest; }));
}

}  // namespace attn::bench
