// Counting, on counters that every kernel of Linux has; hardware's are absent from most virtual machines.
#include "machine/counters.hpp"

#include <linux/perf_event.h>
#include <sys/mman.h>

#include <functional>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

constexpr CounterKind kFaults{"page faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS};
constexpr CounterKind kNoSuch{"no such", PERF_TYPE_SOFTWARE, 1'000'000};

constexpr int kPages = 300;

// Touches memory that nobody has touched.
void take_faults() {
  constexpr std::size_t kBytes = kPages * 4096;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  madvise(memory, kBytes, MADV_NOHUGEPAGE);
  for (int page = 0; page < kPages; ++page) static_cast<volatile char*>(memory)[page * 4096] = 1;
  munmap(memory, kBytes);
}

Counted faults_of(const std::function<void()>& work) {
  Counters counters(std::span(&kFaults, 1));
  counters.start();
  work();
  counters.stop();
  return counters.counted().at(0);
}

}  // namespace

TEST_CASE("counters count this thread and those that it starts, between start and stop", "[counters]") {
  const Counted idle = faults_of([] {});
  if (!idle.reason.empty()) {
    // Forbidden, as in many containers, or absent, as under emulation: then that is said.
    CHECK(contains(idle.reason, "perf"));
    WARN("not countable: " << idle.reason);
    return;
  }
  CHECK(idle.value < kPages);
  CHECK(faults_of(take_faults).value >= kPages);
  CHECK(faults_of([] { std::thread(take_faults).join(); }).value >= kPages);
}

TEST_CASE("what cannot be counted has a reason and no value", "[counters]") {
  Counters counters(std::span(&kNoSuch, 1));
  counters.start();
  counters.stop();
  const Counted counted = counters.counted().at(0);
  CHECK_FALSE(counted.reason.empty());
  CHECK(counted.value == 0);
  for (const Counted& hardware : Counters().counted()) CHECK_FALSE(hardware.name.empty());
}

}  // namespace attn::test
