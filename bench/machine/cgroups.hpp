// cgroups: what the control groups of this process allow it: its own group and every one above it, in both versions of the
// interface. A container sees its own group as the root, or the path of the host, of which only the root is there: both are
// looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "machine/system.hpp"

namespace attn::bench {

// The tightest of several limits, and the file that says so.
struct CpuQuota {
  double cpus;
  std::string file;
};
struct ThreadLimit {
  std::int64_t threads;
  std::string file;
};

// Empty: no limit.
std::optional<CpuQuota> cpu_quota(const System& system);
std::optional<ThreadLimit> thread_limit(const System& system);
// Bytes that can still be allocated; what the kernel would drop from its file cache counts as free.
std::optional<std::int64_t> memory_left(const System& system);

// "none", or such as "1.5 CPUs (/sys/fs/cgroup/job/cpu.max)".
std::string to_string(const std::optional<CpuQuota>& quota);

}  // namespace attn::bench
