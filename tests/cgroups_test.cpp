// What control groups allow, read from folders that look like theirs; and teams that are larger than that.
#include <sched.h>

#include "catch.hpp"
#include "machine/cgroups.hpp"
#include "machine/cpus.hpp"
#include "machine_folder.hpp"

using namespace attn::bench;
using attn::test::MachineFolder;

namespace {

struct Entry {
  const char *path, *text;
};

}  // namespace

TEST_CASE("the tightest CPU quota of the own group and those above it counts, in both versions", "[cgroups]") {
  struct Row {
    const char* groups;  // of /proc/self/cgroup
    std::vector<Entry> files;
    const char* quota;
  };
  const auto row = GENERATE(values<Row>({
      {"0::/", {}, "none"},
      {"0::/", {{"/sys/fs/cgroup/cpu.max", "max 100000"}}, "none"},
      {"0::/", {{"/sys/fs/cgroup/cpu.max", "100000 100000"}}, "1 CPUs (/sys/fs/cgroup/cpu.max)"},
      {"0::/a/b", {{"/sys/fs/cgroup/a/b/cpu.max", "150000 100000"}}, "1.5 CPUs (/sys/fs/cgroup/a/b/cpu.max)"},
      {"0::/a/b",
       {{"/sys/fs/cgroup/a/b/cpu.max", "150000 100000"}, {"/sys/fs/cgroup/a/cpu.max", "50000 100000"}},
       "0.5 CPUs (/sys/fs/cgroup/a/cpu.max)"},
      {"0::/a/b",
       {{"/sys/fs/cgroup/a/b/cpu.max", "50000 100000"}, {"/sys/fs/cgroup/a/cpu.max", "150000 100000"}},
       "0.5 CPUs (/sys/fs/cgroup/a/b/cpu.max)"},
      // Another group's is nobody's business.
      {"0::/a", {{"/sys/fs/cgroup/b/cpu.max", "50000 100000"}}, "none"},
      // Version 2 beside controllers of version 1.
      {"1:name=systemd:/\n0::/a",
       {{"/sys/fs/cgroup/unified/a/cpu.max", "25000 100000"}},
       "0.25 CPUs (/sys/fs/cgroup/unified/a/cpu.max)"},
      {"3:memory:/m\n2:cpu,cpuacct:/a/b",
       {{"/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1"},
        {"/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000"},
        {"/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "200000"},
        {"/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000"}},
       "2 CPUs (/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us)"},
      {"1:cpu:/a",
       {{"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000"}, {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000"}},
       "0.5 CPUs (/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us)"},
      // In a container the path is the host's, and what is mounted the container's own group.
      {"4:cpu,cpuacct:/docker/0123",
       {{"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000"},
        {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000"}},
       "1 CPUs (/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us)"},
      {"0::/../other", {{"/sys/fs/cgroup/cpu.max", "70000 100000"}}, "0.7 CPUs (/sys/fs/cgroup/cpu.max)"},
      // Nothing that could be a quota.
      {"nonsense\n::\n0::", {{"/sys/fs/cgroup/cpu.max", "many 100000"}}, "none"},
      {"0::/", {{"/sys/fs/cgroup/cpu.max", "100000 0"}}, "none"},
  }));
  const MachineFolder machine;
  machine.write("/proc/self/cgroup", row.groups);
  for (const Entry& entry : row.files) machine.write(entry.path, entry.text);
  CAPTURE(row.groups);
  CHECK(to_string(cpu_quota(machine.system())) == row.quota);
}

TEST_CASE("memory is what the tightest group leaves, its droppable file cache counted as free", "[cgroups]") {
  const MachineFolder machine;
  CHECK(!memory_left(machine.system()));
  machine.write("/proc/self/cgroup", "0::/a\n5:memory:/b");
  machine.write("/sys/fs/cgroup/a/memory.max", "max");
  machine.write("/sys/fs/cgroup/a/memory.current", "500");
  CHECK(!memory_left(machine.system()));
  machine.write("/sys/fs/cgroup/a/memory.max", "2000");
  CHECK(memory_left(machine.system()) == 1500);
  machine.write("/sys/fs/cgroup/a/memory.stat", "anon 100\ninactive_file 300\nactive_file 50");
  CHECK(memory_left(machine.system()) == 1800);
  machine.write("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "1000");
  machine.write("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", "900");
  machine.write("/sys/fs/cgroup/memory/b/memory.stat", "inactive_file 1\ntotal_inactive_file 200");
  CHECK(memory_left(machine.system()) == 300);
  machine.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  machine.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4096");
  CHECK(memory_left(machine.system()) == 300);
}

TEST_CASE("the limit on threads is that of the tightest group", "[cgroups]") {
  const MachineFolder machine;
  CHECK(!thread_limit(machine.system()));
  machine.write("/proc/self/cgroup", "0::/a/b");
  machine.write("/sys/fs/cgroup/a/b/pids.max", "max");
  machine.write("/sys/fs/cgroup/a/pids.max", "40");
  REQUIRE(thread_limit(machine.system()));
  CHECK(thread_limit(machine.system())->threads == 40);
  CHECK(thread_limit(machine.system())->file == "/sys/fs/cgroup/a/pids.max");
}

TEST_CASE("a team larger than its CPUs is told with the tighter of affinity and quota", "[cgroups]") {
  struct Row {
    int threads;
    Cpus cpus;
    const char* text;
  };
  const auto quota = [](double cpus) { return std::optional(CpuQuota{cpus, "F"}); };
  const auto row = GENERATE_COPY(values<Row>({
      {1, {1, 8}, ""},
      {2, {2, 2}, ""},
      {2, {2, 2, quota(2)}, ""},
      {2, {0, 8}, ""},
      {2, {1, 8}, "2 threads on 1 CPU (affinity)"},
      {4, {2, 8}, "4 threads on 2 CPUs (affinity)"},
      {4, {2, 2}, "4 threads on 2 CPUs (the machine has no more)"},
      {1, {8, 8, quota(0.5)}, "1 thread on 0.5 CPUs (cgroup quota, F)"},
      {2, {8, 8, quota(1)}, "2 threads on 1 CPU (cgroup quota, F)"},
      {2, {0, 8, quota(1.5)}, "2 threads on 1.5 CPUs (cgroup quota, F)"},
      {4, {2, 8, quota(3)}, "4 threads on 2 CPUs (affinity)"},
      {4, {3, 8, quota(2)}, "4 threads on 2 CPUs (cgroup quota, F)"},
  }));
  CAPTURE(row.threads, row.cpus.allowed);
  CHECK(oversubscription(row.threads, row.cpus) == row.text);
}

TEST_CASE("the CPUs of this process are those of its affinity", "[cgroups]") {
  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(usable_cpus({}).allowed == CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(usable_cpus({}).allowed == 1);
  sched_setaffinity(0, sizeof before, &before);
}
