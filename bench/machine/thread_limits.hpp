// What may keep this process from starting another thread, for the message of one that could not be started.
#pragma once

#include <string>

namespace attn::bench {

// "limits: ulimit -u 40, ulimit -s 8192 KiB, /sys/fs/cgroup/job/pids.max 100"
std::string thread_limits_text();

}  // namespace attn::bench
