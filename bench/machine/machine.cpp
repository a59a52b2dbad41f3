#include "machine/machine.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <sstream>

#include "machine/caches.hpp"
#include "machine/cgroups.hpp"
#include "machine/cpus.hpp"
#include "machine/slowdown.hpp"
#include "revision.hpp"

namespace attn::bench {
namespace {

const std::string kUnknown = "unknown";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && !line.empty() ? line : kUnknown;
}

// The value of "key : value" in /proc/cpuinfo.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0)
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return kUnknown;
}

std::string caches() {
  std::string text;
  for (const Cache& cache : data_caches())
    text += fmt::format("{}L{} {}", text.empty() ? "" : ", ", cache.level, bytes_text(cache.bytes));
  return text.empty() ? kUnknown : text;
}

// The bracketed word of a sysfs choice such as "always [madvise] never".
std::string chosen(const std::string& line) {
  const auto begin = line.find('['), end = line.find(']');
  return begin == std::string::npos || end == std::string::npos ? line : line.substr(begin + 1, end - begin - 1);
}

std::string affinity(const Cpus& cpus) {
  return cpus.allowed == 0 ? kUnknown : fmt::format("{} of {} cores", cpus.allowed, cpus.online);
}

std::int64_t meminfo_available() {
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;) {
    std::int64_t kib = 0;
    if (key == "MemAvailable:" && file >> kib) return kib * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::numeric_limits<std::int64_t>::max();
}

}  // namespace

std::string revision() { return ATTN_REVISION; }

std::map<std::string, std::string> machine_facts() {
  const Cpus cpus = usable_cpus({});
  std::map<std::string, std::string> facts = {
      {"cpu", cpuinfo("model name")},
      {"cpu_model", cpuinfo("model\t")},
      {"stepping", cpuinfo("stepping")},
      {"cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN))},
      {"caches", caches()},
      {"microcode", cpuinfo("microcode")},
      {"hypervisor", cpuinfo("flags").find(" hypervisor") == std::string::npos ? "none seen" : "yes"},
      {"smt", first_line("/sys/devices/system/cpu/smt/active")},
      {"governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
      {"thp", chosen(first_line("/sys/kernel/mm/transparent_hugepage/enabled"))},
      {"cgroup_quota", to_string(cpus.quota)},
      {"affinity", affinity(cpus)},
      {"compiler", ATTN_COMPILER},
      {"flags", ATTN_FLAGS},
      {"revision", revision()},
      {"libraries",
       fmt::format("benchmark {}, xsimd {}, fmt {}", ATTN_BENCHMARK_VERSION, ATTN_XSIMD_VERSION, FMT_VERSION)},
  };
  if (const std::string slowdown = slowdown_text(); !slowdown.empty()) facts["slowdown"] = slowdown;
  return facts;
}

std::string machine_folder() {
  const auto facts = machine_facts();
  std::string folder =
      fmt::format("{}-m{}-s{}-{}c", facts.at("cpu"), facts.at("cpu_model"), facts.at("stepping"), facts.at("cores"));
  for (char& c : folder) c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '-';
  folder.erase(std::unique(folder.begin(), folder.end(), [](char a, char b) { return a == '-' && b == '-'; }),
               folder.end());
  return folder;
}

std::int64_t available_bytes() {
  return std::min(meminfo_available(), memory_left({}).value_or(std::numeric_limits<std::int64_t>::max()));
}

}  // namespace attn::bench
