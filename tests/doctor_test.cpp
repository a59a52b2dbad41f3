// What `attnbench doctor` sees, in folders that look like /proc and /sys.
#include <cmath>

#include "catch.hpp"
#include "gate/noise.hpp"
#include "machine/symptoms.hpp"
#include "machine_folder.hpp"
#include "support.hpp"

using namespace attn::bench;
using attn::test::contains;

namespace {

constexpr const char* kRelease = "Release -O3 -DNDEBUG";

struct Machine : attn::test::MachineFolder {
  using MachineFolder::MachineFolder;
  Symptom symptom(const std::string& name, const char* flags = kRelease) const {
    for (const Symptom& s : examine(system(), flags))
      if (s.name == name) return s;
    FAIL("no symptom " << name);
    return {};
  }
};

}  // namespace

TEST_CASE("a machine of which nothing is visible has no bad symptom, and a word on each", "[doctor]") {
  const Machine machine;
  for (const Symptom& s : examine(machine.system(), kRelease)) {
    INFO(s.name);
    CHECK(s.severity != Severity::bad);
    CHECK(!s.state.empty());
    CHECK((s.severity == Severity::ok) == s.remedy.empty());
  }
}

TEST_CASE("each symptom is seen, graded, and has a remedy", "[doctor]") {
  struct Row {
    const char *path, *text, *name;
    Severity severity;
    const char *state, *remedy;
  };
  const std::string cpu = "/sys/devices/system/cpu";
  const auto row = GENERATE(values<Row>({
      {"/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave", "governor", Severity::bad, "powersave",
       "cpupower"},
      {"/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance", "governor", Severity::ok, "performance",
       ""},
      {"/sys/devices/system/cpu/intel_pstate/no_turbo", "0", "turbo", Severity::note, "on", "no_turbo"},
      {"/sys/devices/system/cpu/intel_pstate/no_turbo", "1", "turbo", Severity::ok, "off", ""},
      {"/sys/devices/system/cpu/cpufreq/boost", "1", "turbo", Severity::note, "on", "boost"},
      {"/sys/devices/system/cpu/smt/active", "1", "smt", Severity::note, "on", "smt/control"},
      {"/sys/devices/system/cpu/smt/active", "0", "smt", Severity::ok, "off", ""},
      {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never", "huge pages", Severity::note, "madvise",
       "transparent_hugepage"},
      {"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "huge pages", Severity::ok, "always",
       ""},
      {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1", "cgroup quota", Severity::ok, "none", ""},
      {"/proc/loadavg", "0.10 0.2 0.3 1/88 999", "load", Severity::ok, "0 other threads", ""},
      {"/proc/loadavg", "1.50 0.2 0.3 1/88 999", "load", Severity::note, "1.50 over", "top"},
      {"/proc/loadavg", "1.50 0.2 0.3 3/88 999", "load", Severity::bad, "2 other threads running", "top"},
      {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock source", Severity::bad,
       "hpet", "clocksource=tsc"},
      {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc", "clock source", Severity::ok, "tsc",
       ""},
      {"/proc/sys/kernel/randomize_va_space", "0", "aslr", Severity::note, "off", "randomize_va_space"},
      {"/proc/sys/kernel/randomize_va_space", "2", "aslr", Severity::ok, "on", ""},
      {"/proc/cpuinfo", "processor : 0\nflags\t\t: fpu hypervisor sse2", "hypervisor", Severity::note, "yes",
       "hardware"},
      {"/proc/cpuinfo", "processor : 0\nflags\t\t: fpu sse2", "hypervisor", Severity::ok, "none", ""},
  }));
  const Machine machine;
  machine.write(row.path, row.text);
  const Symptom seen = machine.symptom(row.name);
  CAPTURE(row.path, row.text, seen.state, seen.remedy);
  CHECK(seen.severity == row.severity);
  CHECK(contains(seen.state, row.state));
  CHECK(contains(seen.remedy, row.remedy));
}

TEST_CASE("a quota of the group or of one above it is found, in both versions of cgroups", "[doctor]") {
  const Machine machine;
  machine.write("/proc/self/cgroup", "0::/user/job");
  machine.write("/sys/fs/cgroup/user/job/cpu.max", "max 100000");
  CHECK(machine.symptom("cgroup quota").severity == Severity::ok);
  machine.write("/sys/fs/cgroup/user/cpu.max", "150000 100000");
  CHECK(machine.symptom("cgroup quota").severity == Severity::bad);
  CHECK(contains(machine.symptom("cgroup quota").state, "1.5 CPUs (/sys/fs/cgroup/user/cpu.max)"));
  const Machine old("old");
  old.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000");
  old.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  CHECK(contains(old.symptom("cgroup quota").state, "0.5 CPUs"));
}

TEST_CASE("a debug build and a sanitized one are bad", "[doctor]") {
  const Machine machine;
  CHECK(machine.symptom("build").severity == Severity::ok);
  CHECK(contains(machine.symptom("build", "Debug -g").remedy, "release"));
  CHECK(machine.symptom("build", "Release -O3 -fsanitize=thread").severity == Severity::bad);
  CHECK(is_debug_build("-O3 -O0"));
  CHECK(is_debug_build("-Ofoo"));
  CHECK(!is_debug_build("-O0 -O2"));
  CHECK(!is_debug_build("-Ofast"));
}

TEST_CASE("steal is its share of all cores' time between two moments", "[doctor]") {
  const Machine machine;
  machine.write("/proc/stat", "cpu 100 0 100 700 0 0 0 0 0 0");
  const CpuTimes before = cpu_times(machine.system());
  machine.write("/proc/stat", "cpu 150 0 120 720 0 0 0 10 0 0");
  const CpuTimes after = cpu_times(machine.system());
  CHECK(after.steal - before.steal == Approx(10.0 / sysconf(_SC_CLK_TCK)));
  CHECK(steal_symptom(before, after).severity == Severity::bad);
  CHECK(contains(steal_symptom(before, after).state, "10.0 %"));
  CHECK(steal_symptom(before, before).severity == Severity::ok);
}

TEST_CASE("noise is told apart from drift, and becomes rounds", "[doctor]") {
  using gate::noise_of, gate::rounds_to_find;
  const gate::Criteria criteria;
  const auto even = noise_of({0, 0, 0, 0}, {100, 110, 120, 130, 140});
  CHECK(even.round_deviation == 0);
  CHECK(even.chunk_spread == Approx(20.0 / 120));
  CHECK(rounds_to_find(std::log(1.03), even, criteria) == 9);
  const auto noisy = noise_of({-0.03, 0.03, -0.02, 0.02, 0.05}, {100, 100, 100});
  CHECK(noisy.round_deviation == Approx(1.4826 * 0.03));
  const auto rounds = rounds_to_find(std::log(1.03), noisy, criteria);
  REQUIRE(rounds);
  CHECK(*rounds > 9);
  CHECK(!rounds_to_find(criteria.min_effect / 2, noisy, criteria));
  CHECK(*rounds_to_find(std::log(1.10), noisy, criteria) < *rounds);
}

TEST_CASE("the noise of this machine can be measured", "[doctor]") {
  const gate::MachineNoise noise = gate::measure_noise(0.1);
  CHECK(std::isfinite(noise.round_deviation));
  CHECK(noise.round_deviation >= 0);
  CHECK(noise.chunk_spread >= 0);
}
