// What changed since the last run of the same sweep on this machine.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace attn::bench {

// An earlier result file of this machine.
struct EarlierRun {
  std::string path;
  Json document;
};

// The newest of the files that are there and are of this machine: what stands at `out`, which may be empty, and what
// results/<machine>/ records of the sweep. Empty document: none.
EarlierRun last_run(const std::string& out, const std::string& sweep);

// A line or two, no wider than the window: the rows whose share of the ceiling beside them is another, by the rule that also
// decides who leads (is_slower() of standing.hpp), and by how much. Empty where no row is in both.
std::string changes_text(const Json& now, const EarlierRun& before, std::size_t columns);

}  // namespace attn::bench
