// The table at the end of a run, as wide as the window; below it what was skipped or failed, and why.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "cases/case.hpp"
#include "results/rows.hpp"

namespace attn::bench {

struct TableStyle {
  std::size_t columns = 80;  // of the window
  bool color = false;        // ANSI bold for the fastest and those level with it
};

// `document` is a result file, so that a resumed run shows its earlier rows too. Variants stand side by side where there are
// several problems and they fit; else every problem is a block of lines, the fastest first.
std::string format_table(const Json& document, const std::vector<Skipped>& skipped, const TableStyle& style);

// The line that says how far the machine disturbed this run, with a line break; empty where it did not.
std::string disturbance_text(const Json& document, std::size_t columns = 80);

// Skipped cases, those of one reason together.
std::string format_skipped(const std::vector<Skipped>& skipped, std::size_t columns = std::string::npos);

// The figures of a row as they are shown, a column each.
struct TableColumn {
  const char* title;
  std::string (*text)(const ResultRow& row, double naive_gflops);  // empty where the row has none
};
// From the one that is shown in the narrowest window to those that need room. The rate comes first.
const std::vector<TableColumn>& table_columns();

// The rate of naive beside each row: same problem, ISA where it has one there, one thread; 0 where it was not measured.
std::vector<double> naive_rates(const std::vector<ResultRow>& rows);

}  // namespace attn::bench
