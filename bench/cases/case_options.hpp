// The options that choose cases, shared by verify, run and tune.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "cases/npz_file.hpp"
#include "cases/peers.hpp"
#include "variant.hpp"

namespace attn::bench {

struct CaseOptions {
  std::vector<std::string> sweeps, problems, axes;
  bool zip = false;
  std::string depths;
  std::string variants, isa, threads;  // empty: what the sweep says, else all, native, 1
  std::string best;                    // what `attnbench tune` wrote

  // Whether there are problems beside those of sweeps.
  bool names_problems() const { return !problems.empty() || !axes.empty() || !depths.empty(); }
};
void add_case_options(CLI::App& command, CaseOptions& options);
// For the commands that take choices rather than make them.
void add_best_option(CLI::App& command, CaseOptions& options);

// Cases of all sweeps and problems, these with the values of all axes, each once. `default_threads` where neither the command line nor the sweep says.
// Tensors of a file are the inputs of every problem (fill:file), and make the problem where none is named.
Cases expand_cases(const CaseOptions& options, std::span<const Variant* const> table,
                   const std::string& default_threads, const Guests& guests = {}, const NpzFile* tensors = nullptr);

}  // namespace attn::bench
