// A run in other forms than its result file, of the same rows as the table.
#pragma once

#include <string>

#include "base/json.hpp"

namespace attn::bench {

// A table of Markdown: a line per row, problem by problem, the fastest and those level with it in bold. Machine, revision
// and date above it.
std::string as_markdown(const Json& document);

// A line per row with a column per key of the problem, in SI units without prefix: what a spreadsheet or data frame takes.
std::string as_csv(const Json& document);

}  // namespace attn::bench
