// The subcommands of attnbench. Each adds its options to the app and returns what to call when it was chosen; the call
// returns the exit code and throws UsageError or EnvironmentError.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "case.hpp"
#include "npz_file.hpp"
#include "peers.hpp"
#include "variant.hpp"

namespace attn::bench {

struct Context {
  std::span<const Variant* const> table;     // the built-in variants
  std::vector<std::string> benchmark_flags;  // --benchmark_* and --v, for Google Benchmark
};

using Command = std::function<int(const Context&)>;

Command add_list(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_run(CLI::App& app);
Command add_roofline(CLI::App& app);
Command add_tune(CLI::App& app);
Command add_worker(CLI::App& app);
Command add_gate(CLI::App& app);
Command add_compare(CLI::App& app);
Command add_doctor(CLI::App& app);

// The options that choose cases, shared by verify, run and tune.
struct CaseOptions {
  std::vector<std::string> sweeps, problems;
  std::string variants, isa, threads;  // empty: what the sweep says, else all, native, 1
  std::string best;                    // what `attnbench tune` wrote
};
void add_case_options(CLI::App& command, CaseOptions& options);
// For the commands that take choices rather than make them.
void add_best_option(CLI::App& command, CaseOptions& options);

// Cases of all sweeps and problems, each once. `default_threads` where neither the command line nor the sweep says.
// Tensors of a file are the inputs of every problem (fill:file), and make the problem where none is named.
Cases expand_cases(const CaseOptions& options, std::span<const Variant* const> table,
                   const std::string& default_threads, const AbsentPeers& absent = {},
                   const NpzFile* tensors = nullptr);

// Runs attnbench with these arguments (without the program's name) over a table of variants; the exit code.
int attnbench_main(int argc, char** argv, std::span<const Variant* const> table);

}  // namespace attn::bench
