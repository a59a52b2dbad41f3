// cpus: how many CPUs a team may use, and whether that is fewer than it has threads.
#pragma once

#include <optional>
#include <string>

#include "machine/cgroups.hpp"

namespace attn::bench {

struct Cpus {
  int allowed = 0, online = 0;  // allowed: by affinity. 0: the system does not tell
  std::optional<CpuQuota> quota = std::nullopt;
};

// Of the calling thread and the machine.
Cpus usable_cpus(const System& system);

// Such as "2 threads on 1 CPU (affinity)" or "2 threads on 1.5 CPUs (cgroup quota, /sys/fs/cgroup/cpu.max)": what the rows
// of such a team are marked with. Empty when there is a CPU for every thread.
std::string oversubscription(int threads, const Cpus& cpus);

}  // namespace attn::bench
