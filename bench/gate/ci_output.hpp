// What continuous integration shows: Markdown for a pull request, JUnit for a test page, annotations for a log.
#pragma once

#include <string>

#include "gate/report.hpp"

namespace attn::bench::gate {

std::string markdown(const Report& report);

// A test case per case: REGRESSED and WRONG fail, INCONCLUSIVE fails unless it passes, in which case it is skipped;
// what ended the run early is an error of the suite's own case.
std::string junit(const Report& report, bool inconclusive_passes);

// Lines for standard output, as GitHub's and Gitea's runners read them: ::error title=...::...
std::string annotations(const Report& report, bool inconclusive_passes);

}  // namespace attn::bench::gate
