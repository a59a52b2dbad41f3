#include "machine/caches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace attn::bench {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "32K"; 0 when it is not a size.
std::int64_t parse_size(const std::string& text) {
  std::istringstream in(text);
  std::int64_t size = 0;
  char unit = 'B';
  if (!(in >> size) || size < 0) return 0;
  in >> unit;
  return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : unit == 'G' ? size << 30 : size;
}

// "0-3,8": five; 1 when it is not a list.
int count_cpus(const std::string& list) {
  std::istringstream in(list);
  int count = 0;
  for (std::string part; std::getline(in, part, ',');) {
    int first = 0, last = 0;
    char dash = 0;
    std::istringstream range(part);
    if (!(range >> first)) continue;
    count += range >> dash >> last && last >= first ? last - first + 1 : 1;
  }
  return std::max(count, 1);
}

}  // namespace

std::vector<Cache> data_caches(const std::string& folder) {
  std::vector<Cache> caches;
  for (int i = 0;; ++i) {
    const std::string index = fmt::format("{}/index{}/", folder, i);
    if (!std::filesystem::exists(index)) break;
    if (first_line(index + "type") == "Instruction") continue;
    const Cache cache{.level = static_cast<int>(parse_size(first_line(index + "level"))),
                      .bytes = parse_size(first_line(index + "size")),
                      .shared_by = count_cpus(first_line(index + "shared_cpu_list"))};
    if (cache.level == 0 || cache.bytes == 0) break;
    caches.push_back(cache);
  }
  return caches;
}

std::int64_t last_level_bytes(const std::vector<Cache>& caches) { return caches.empty() ? 0 : caches.back().bytes; }

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.4g} {}", value, kUnits[unit]);
}

}  // namespace attn::bench
