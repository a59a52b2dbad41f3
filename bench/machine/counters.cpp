#include "machine/counters.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace attn::bench {
namespace {

constexpr std::uint64_t read_misses(std::uint64_t cache) {
  return cache | std::uint64_t{PERF_COUNT_HW_CACHE_OP_READ} << 8 | std::uint64_t{PERF_COUNT_HW_CACHE_RESULT_MISS} << 16;
}

constexpr std::array kHardware = {
    CounterKind{"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    CounterKind{"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    CounterKind{"L1 read misses", PERF_TYPE_HW_CACHE, read_misses(PERF_COUNT_HW_CACHE_L1D)},
    CounterKind{"last-level read misses", PERF_TYPE_HW_CACHE, read_misses(PERF_COUNT_HW_CACHE_LL)},
};

std::vector<int> threads_now() {
  std::vector<int> threads;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = entry.path().filename();
    int thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread > 0) threads.push_back(thread);
  }
  return threads.empty() ? std::vector{0} : threads;
}

// The file of a counter of a thread; -1 with errno.
int open_counter(const CounterKind& kind, int thread) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = kind.type;
  attributes.config = kind.config;
  attributes.disabled = 1;
  attributes.inherit = 1;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

std::string why_not_countable(int error) {
  switch (error) {
    case EACCES:
    case EPERM: {
      std::string level = "not readable";
      std::ifstream("/proc/sys/kernel/perf_event_paranoid") >> level;
      return fmt::format(
          "the system does not permit it (kernel.perf_event_paranoid is {}; 2 or less does, unless a "
          "container forbids perf_event_open)",
          level);
    }
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
      return "this CPU does not have it, or the hypervisor hides it";
    case ENOSYS:
      return "this kernel has no perf events";
    default:
      return std::strerror(error);
  }
}

}  // namespace

std::span<const CounterKind> hardware_counters() { return kHardware; }

Counters::Counters(std::span<const CounterKind> kinds) {
  const std::vector<int> threads = threads_now();
  for (const CounterKind& kind : kinds) {
    Counter& counter = counters_.emplace_back(Counter{kind.name, {}, {}});
    for (const int thread : threads) {
      const int file = open_counter(kind, thread);
      if (file >= 0)
        counter.files.push_back(file);
      else if (errno != ESRCH)  // it has ended since
        counter.reason = why_not_countable(errno);
    }
    if (counter.files.empty() && counter.reason.empty()) counter.reason = "there is no thread to count";
  }
}

Counters::~Counters() {
  for (const Counter& counter : counters_)
    for (const int file : counter.files) close(file);
}

void Counters::start() {
  for (const Counter& counter : counters_)
    for (const int file : counter.files) {
      ioctl(file, PERF_EVENT_IOC_RESET, 0);
      ioctl(file, PERF_EVENT_IOC_ENABLE, 0);
    }
}

void Counters::stop() {
  for (const Counter& counter : counters_)
    for (const int file : counter.files) ioctl(file, PERF_EVENT_IOC_DISABLE, 0);
}

std::vector<Counted> Counters::counted() const {
  std::vector<Counted> all;
  for (const Counter& counter : counters_) {
    Counted& counted = all.emplace_back(Counted{counter.name, 0, counter.reason});
    bool ran = false;
    for (const int file : counter.files) {
      struct {
        std::uint64_t value, enabled, running;
      } told{};
      if (read(file, &told, sizeof told) != sizeof told || told.running == 0) continue;
      ran = true;
      counted.value +=
          static_cast<double>(told.value) * static_cast<double>(told.enabled) / static_cast<double>(told.running);
    }
    if (!ran && counted.reason.empty()) counted.reason = "the CPU had no counter free for it";
  }
  return all;
}

}  // namespace attn::bench
