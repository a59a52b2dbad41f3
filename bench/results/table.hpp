// The final table of a run: a row per problem, a column per variant; below it what was skipped or failed, and why.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cases/case.hpp"

namespace attn::bench {

// `document` is a result file, so that a resumed run shows its earlier rows too. `color`: ANSI bold for the fastest.
std::string format_table(const Json& document, const std::vector<Skipped>& skipped, bool color);

// Skipped cases, those of one reason together.
std::string format_skipped(const std::vector<Skipped>& skipped);

}  // namespace attn::bench
