// attnbench gate selftest: what selftest.cpp says.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace attn::bench::gate {

struct SelftestOptions {
  int runs = 200, cases = 40;
  std::vector<std::string> traces;
  std::string json;
};

void add_selftest_options(CLI::App& command, SelftestOptions& options);
int selftest(const SelftestOptions& options);

}  // namespace attn::bench::gate
