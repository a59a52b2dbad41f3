#include "machine/cpus.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace attn::bench {

Cpus usable_cpus(const System& system) {
  Cpus cpus{.online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)), .quota = cpu_quota(system)};
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus.allowed = CPU_COUNT(&set);
  return cpus;
}

std::string oversubscription(int threads, const Cpus& cpus) {
  const bool has_few = cpus.allowed > 0 && cpus.allowed < threads;
  if (cpus.quota && cpus.quota->cpus < threads && !(has_few && cpus.allowed <= cpus.quota->cpus))
    return fmt::format("{} thread{} on {:.3g} CPU{} (cgroup quota, {})", threads, threads == 1 ? "" : "s",
                       cpus.quota->cpus, cpus.quota->cpus == 1 ? "" : "s", cpus.quota->file);
  if (!has_few) return {};
  return fmt::format("{} threads on {} CPU{} ({})", threads, cpus.allowed, cpus.allowed == 1 ? "" : "s",
                     cpus.allowed < cpus.online ? "affinity" : "the machine has no more");
}

}  // namespace attn::bench
