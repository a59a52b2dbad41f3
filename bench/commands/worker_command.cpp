// attnbench worker: the built-in variants in a process of their own, behind --isolate and the gate; with plugins beside
// them for `compare`. What runs a plugin by itself is plugin_worker.cpp.
#include "commands/commands.hpp"
#include "workers/worker_server.hpp"

namespace attn::bench {

Command add_worker(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "worker", "the resident process behind --isolate, compare and the gate; see bench/workers/worker_server.cpp");
  auto plugins = std::make_shared<std::vector<std::string>>();
  command->add_option("--plugin", *plugins, "a shared library of kernels; may be repeated");
  return [plugins](const Context& context) { return serve_worker(*plugins, context.table); };
}

}  // namespace attn::bench
