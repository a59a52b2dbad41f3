// What machine and build this is: the facts that ride in every result file.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace attn::bench {

// cpu, stepping, cores, caches, microcode, hypervisor, smt, governor, thp, cgroup_quota, affinity, compiler, flags,
// revision, library versions; slowdown where there is one. "unknown" where the system does not tell.
std::map<std::string, std::string> machine_facts();

// Git revision of the build, with "-dirty" when the tree had changes; "unknown" outside a checkout.
std::string revision();

// "<cpu model>-s<stepping>-<cores>c" in file-name form: the folder under results/.
std::string machine_folder();

// Bytes that can still be allocated: what the system calls available, within the cgroup's limit.
std::int64_t available_bytes();

}  // namespace attn::bench
