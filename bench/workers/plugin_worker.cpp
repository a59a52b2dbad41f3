// attnbench_plugin_worker: the worker of one plugin, a peer or a user's, and nothing that could stand in for its
// libraries: no BLAS, no OpenMP runtime, no layers, none of our variants. The first library that a process loads under a
// name serves everybody who calls that name: beside attnbench's own, PyTorch ran on the wrong BLAS and in a team of
// another runtime. Speaks the protocol of worker_server.cpp.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

#include "base/errors.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "workers/plugin_team.hpp"
#include "workers/worker_server.hpp"

int main(int argc, char** argv) {
  using namespace attn::bench;
  CLI::App app("The worker of a plugin; attnbench starts it.", "attnbench_plugin_worker");
  std::string plugin;
  app.add_option("--plugin", plugin, "a shared library of kernels")->required();
  CLI11_PARSE(app, argc, argv);
  install_signal_handlers();
  try {
    return serve_worker({plugin}, {},
                        [](const std::vector<Plugin>& plugins) { borrow_team_of(plugins.front().library); });
  } catch (const std::exception& error) {
    say("attnbench_plugin_worker: {}\n", error.what());
    return kExitEnvironment;
  }
}
