// The data caches of this machine, as the system tells them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attn::bench {

struct Cache {
  int level = 0;
  std::int64_t bytes = 0;
  int shared_by = 1;  // hardware threads
};

// Those of the first CPU, innermost first; empty where the system does not tell. A cache whose size is not told is left
// out with all behind it, since nothing could be said of what lies beyond.
std::vector<Cache> data_caches(const std::string& folder = "/sys/devices/system/cpu/cpu0/cache");

// Bytes of the outermost cache; 0 where the system does not tell.
std::int64_t last_level_bytes(const std::vector<Cache>& caches = data_caches());

// "32 KiB", "1.5 MiB".
std::string bytes_text(std::int64_t bytes);

}  // namespace attn::bench
