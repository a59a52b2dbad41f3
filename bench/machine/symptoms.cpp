#include "machine/symptoms.hpp"

#include <fmt/format.h>
#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/split.hpp"
#include "machine/cgroups.hpp"
#include "machine/cpus.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

Symptom build(const std::string& flags) {
  if (is_debug_build(flags))
    return {"build", "debug, '" + flags + "'", Severity::bad, "cmake --preset release && cmake --build build"};
  if (flags.find("-fsanitize=") != std::string::npos)
    return {"build", "with sanitizers, '" + flags + "'", Severity::bad,
            "cmake --preset release && cmake --build build"};
  return {"build", flags};
}

Symptom governor(const System& system) {
  const fs::path cpus = system.root + "/sys/devices/system/cpu";
  std::set<std::string> governors;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cpus, error))
    if (const std::string name = system.first_line("/sys/devices/system/cpu/" + entry.path().filename().string() +
                                                   "/cpufreq/scaling_governor");
        !name.empty())
      governors.insert(name);
  if (governors.empty())
    return {"governor", "not visible", Severity::note,
            "the host decides the clock; `gate` and `compare` take turns, so that it hits both sides"};
  std::string list;
  for (const std::string& name : governors) list += (list.empty() ? "" : ", ") + name;
  if (governors == std::set<std::string>{"performance"}) return {"governor", list};
  return {"governor", list, Severity::bad, "sudo cpupower frequency-set -g performance"};
}

Symptom turbo(const System& system) {
  const std::string no_turbo = system.first_line("/sys/devices/system/cpu/intel_pstate/no_turbo");
  const std::string boost = system.first_line("/sys/devices/system/cpu/cpufreq/boost");
  if (no_turbo.empty() && boost.empty())
    return {"turbo", "not visible", Severity::note, "compare within one run, never with figures of another day"};
  const bool on = no_turbo == "0" || boost == "1";
  if (!on) return {"turbo", "off"};
  return {"turbo", "on: the clock follows heat and neighbours", Severity::note,
          no_turbo.empty() ? "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
                           : "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"};
}

Symptom smt(const System& system) {
  const std::string active = system.first_line("/sys/devices/system/cpu/smt/active");
  if (active.empty()) return {"smt", "not visible", Severity::note, "none from here"};
  if (active == "0") return {"smt", "off"};
  return {"smt", "on: two threads share a core's units", Severity::note,
          "echo off | sudo tee /sys/devices/system/cpu/smt/control; or leave every second CPU out with taskset"};
}

Symptom huge_pages(const System& system) {
  const std::string line = system.first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  const auto begin = line.find('['), end = line.find(']');
  if (begin == std::string::npos || end == std::string::npos)
    return {"huge pages", "not visible", Severity::note, "none from here"};
  const std::string chosen = line.substr(begin + 1, end - begin - 1);
  if (chosen == "always") return {"huge pages", chosen};
  return {"huge pages", chosen + ": tensors lie in pages of 4 KB, and long contexts wait for the TLB", Severity::note,
          "echo always | sudo tee /sys/kernel/mm/transparent_hugepage/enabled; results of both settings differ"};
}

Symptom cgroup_quota(const System& system) {
  const auto quota = cpu_quota(system);
  if (!quota) return {"cgroup quota", "none"};
  return {"cgroup quota", to_string(quota) + ": the kernel stops the process in mid-run", Severity::bad,
          "run without a CPU limit (docker: no --cpus; Kubernetes: no limits.cpu)"};
}

// How many threads are running right now, beside this one.
Symptom load(const System& system) {
  std::istringstream line(system.first_line("/proc/loadavg"));
  double minute = 0, five = 0, fifteen = 0;
  int running = 0;
  char slash = 0;
  if (!(line >> minute >> five >> fifteen >> running >> slash))
    return {"load", "not visible", Severity::note, "none from here"};
  const int others = std::max(0, running - 1);
  const std::string state =
      fmt::format("{} other thread{} running, {:.2f} over the last minute", others, others == 1 ? "" : "s", minute);
  if (others == 0 && minute < 0.5) return {"load", state};
  return {"load", state, others > 0 ? Severity::bad : Severity::note,
          "stop what runs (top), or wait; what comes and goes costs `gate` rounds, not its word"};
}

Symptom affinity(const System& system) {
  const Cpus cpus = usable_cpus(system);
  if (cpus.allowed == 0) return {"affinity", "not visible", Severity::note, "none from here"};
  const std::string state = fmt::format("{} of {} cores", cpus.allowed, cpus.online);
  if (cpus.allowed == cpus.online) return {"affinity", state};
  return {"affinity", state, Severity::note, "teams larger than that share cores; taskset -pc changes it"};
}

Symptom clock_source(const System& system) {
  const std::string source = system.first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (source.empty()) return {"clock source", "not visible", Severity::note, "none from here"};
  if (source == "hpet" || source == "acpi_pm" || source == "jiffies")
    return {"clock source", source + ": reading it costs a system call", Severity::bad,
            "boot with clocksource=tsc, if the machine's TSC is sound"};
  return {"clock source", source};
}

Symptom aslr(const System& system) {
  const std::string level = system.first_line("/proc/sys/kernel/randomize_va_space");
  if (level.empty()) return {"aslr", "not visible", Severity::note, "none from here"};
  if (level != "0") return {"aslr", "on"};
  return {"aslr", "off: every launch has the same placement, and rounds tell less than they seem to", Severity::note,
          "echo 2 | sudo tee /proc/sys/kernel/randomize_va_space"};
}

Symptom hypervisor(const System& system) {
  std::ifstream file(system.root + "/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("flags", 0) == 0) {
      if (line.find(" hypervisor") == std::string::npos) return {"hypervisor", "none seen"};
      return {"hypervisor", "yes: caches, memory and clock are shared with unseen neighbours", Severity::note,
              "own hardware; else believe `gate` and `compare` rather than single runs"};
    }
  return {"hypervisor", "not visible", Severity::note, "none from here"};
}

}  // namespace

std::string_view to_string(Severity severity) {
  return severity == Severity::ok ? "ok" : severity == Severity::note ? "note" : "BAD";
}

bool is_debug_build(const std::string& flags) {
  static const RE2 kLevel("-O([0-9sgz]|fast)?");
  std::string level = "none", last;
  for (const std::string& flag : split(flags, ' '))
    if (RE2::FullMatch(flag, kLevel, &last)) level = last.empty() ? "1" : last;
  return level == "none" || level == "0" || level == "g";
}

CpuTimes cpu_times(const System& system) {
  std::istringstream line(system.first_line("/proc/stat"));
  std::string cpu;
  double user = 0, nice = 0, kernel = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  line >> cpu >> user >> nice >> kernel >> idle >> iowait >> irq >> softirq >> steal;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {
      .busy = (user + nice + kernel + irq + softirq) / ticks, .idle = (idle + iowait) / ticks, .steal = steal / ticks};
}

Symptom steal_symptom(const CpuTimes& before, const CpuTimes& after) {
  const double stolen = after.steal - before.steal;
  const double all = stolen + after.busy - before.busy + after.idle - before.idle;
  const double percent = all > 0 ? 100 * stolen / all : 0;
  const std::string state = fmt::format("{:.1f} % of the cores' time, meanwhile", percent);
  if (percent < 0.1) return {"steal", state};
  return {"steal", state, percent < 2 ? Severity::note : Severity::bad,
          "a host with fewer guests, or dedicated CPUs; `gate` drops blocks that were stolen from"};
}

std::vector<Symptom> examine(const System& system, const std::string& flags) {
  return {build(flags), governor(system), turbo(system),        smt(system),  huge_pages(system), cgroup_quota(system),
          load(system), affinity(system), clock_source(system), aslr(system), hypervisor(system)};
}

}  // namespace attn::bench
