#include "machine/cgroups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMount = "/sys/fs/cgroup";

bool lists(const std::string& controllers, const std::string& controller) {
  return ("," + controllers + ",").find("," + controller + ",") != std::string::npos;
}

// Folders in which files of a controller may lie, innermost first; not all of them exist.
std::vector<std::string> groups_of(const System& system, const std::string& controller) {
  std::vector<std::string> folders;
  const auto add = [&](const std::string& mount, fs::path group) {
    for (group = group.lexically_normal();; group = group.parent_path()) {
      folders.push_back(group == "/" ? mount : mount + group.string());
      if (group == group.parent_path()) return;
    }
  };
  std::ifstream file(system.root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // ID:CONTROLLERS:PATH; version 2 has no controllers
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || second + 1 == line.size() || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty())
      for (const char* mount : {"", "/unified"}) add(kMount + std::string(mount), group);
    else if (lists(controllers, controller))
      for (const std::string& mount : {controllers, controller}) add(fmt::format("{}/{}", kMount, mount), group);
  }
  for (const std::string& mount : {"/" + controller, std::string("/cpu,cpuacct"), std::string()})
    add(kMount + mount, "/");
  return folders;
}

template <class Number>
std::optional<Number> number_in(const System& system, const std::string& file) {
  std::istringstream text(system.first_line(file));
  Number number{};
  return text >> number ? std::optional(number) : std::nullopt;
}

std::optional<double> quota_in(const System& system, const std::string& file) {
  std::istringstream text(system.first_line(file));  // version 2: quota and period
  double quota = 0, period = 0;
  if (text >> quota && !(text >> period))
    period = number_in<double>(system, fs::path(file).parent_path().string() + "/cpu.cfs_period_us").value_or(0);
  return quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

// The value of "key value" in a file.
std::int64_t entry_of(const System& system, const std::string& file, const std::string& key) {
  std::ifstream entries(system.root + file);
  std::int64_t value = 0;
  for (std::string name; entries >> name >> value;)
    if (name == key) return value;
  return 0;
}

}  // namespace

std::optional<CpuQuota> cpu_quota(const System& system) {
  std::optional<CpuQuota> least;
  for (const std::string& group : groups_of(system, "cpu"))
    for (const char* name : {"/cpu.max", "/cpu.cfs_quota_us"})
      if (const auto cpus = quota_in(system, group + name); cpus && !(least && least->cpus <= *cpus))
        least = {*cpus, group + name};
  return least;
}

std::optional<ThreadLimit> thread_limit(const System& system) {
  std::optional<ThreadLimit> least;
  for (const std::string& group : groups_of(system, "pids"))
    if (const auto threads = number_in<std::int64_t>(system, group + "/pids.max");
        threads && !(least && least->threads <= *threads))
      least = {*threads, group + "/pids.max"};
  return least;
}

std::optional<std::int64_t> memory_left(const System& system) {
  struct Names {
    const char *limit, *usage, *cache;
  };
  std::optional<std::int64_t> least;
  for (const std::string& group : groups_of(system, "memory"))
    for (const Names& names : {Names{"/memory.max", "/memory.current", "inactive_file"},
                               Names{"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"}}) {
      const auto limit = number_in<std::int64_t>(system, group + names.limit);
      const auto usage = number_in<std::int64_t>(system, group + names.usage);
      if (!limit || !usage) continue;
      const std::int64_t used = *usage - std::min(*usage, entry_of(system, group + "/memory.stat", names.cache));
      const std::int64_t left = std::max<std::int64_t>(*limit - used, 0);
      least = std::min(least.value_or(left), left);
    }
  return least;
}

std::string to_string(const std::optional<CpuQuota>& quota) {
  return quota ? fmt::format("{:.3g} CPUs ({})", quota->cpus, quota->file) : "none";
}

}  // namespace attn::bench
