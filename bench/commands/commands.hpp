// The subcommands of attnbench. Each adds its options to the app and returns what to call when it was chosen; the call
// returns the exit code and throws UsageError or EnvironmentError.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "variant.hpp"

namespace attn::bench {

struct Context {
  std::span<const Variant* const> table;     // the built-in variants
  std::vector<std::string> benchmark_flags;  // --benchmark_* and --v, for Google Benchmark
};

using Command = std::function<int(const Context&)>;

Command add_list(CLI::App& app);
Command add_new(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_run(CLI::App& app);
Command add_roofline(CLI::App& app);
Command add_tune(CLI::App& app);
Command add_worker(CLI::App& app);
Command add_gate(CLI::App& app);
Command add_compare(CLI::App& app);
Command add_explain(CLI::App& app);
Command add_doctor(CLI::App& app);

// Runs attnbench with these arguments (without the program's name) over a table of variants; the exit code.
int attnbench_main(int argc, char** argv, std::span<const Variant* const> table);

}  // namespace attn::bench
