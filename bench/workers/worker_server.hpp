// The worker's side of the protocol that worker_server.cpp tells, and what both sides agree on.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "variant.hpp"
#include "workers/plugin.hpp"

namespace attn::bench {

inline constexpr int kWorkerProtocol = 1;

// A worker with the kernels of a table and of plugins, on stdin and stdout until either ends; the exit code. `loaded` is
// called between loading the plugins and the first request.
int serve_worker(const std::vector<std::string>& plugin_files, std::span<const Variant* const> table,
                 const std::function<void(const std::vector<Plugin>&)>& loaded = {});

}  // namespace attn::bench
