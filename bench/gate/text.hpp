// How a person reads what the gate found: the words that terminal, Markdown, JUnit and annotations share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gate/report.hpp"

namespace attn::bench::gate {

// Log ratios: "+1.2 %"; "-" where there is none.
std::string percent_text(double log_ratio);
std::string detectable_text(const Judgement& judgement);  // "1.2 %"
std::string interval_text(const Interval& interval);      // "-0.3 to +0.6 %", "not bounded yet"

// "REGRESSED", "PROVEN", "PROVEN, faster", "WRONG", ...
std::string verdict_text(const CaseReport& c);
// What stands beside a row, such as "the machine code is the same in both builds"; may be empty.
std::string note_of(const CaseReport& c, const Criteria& criteria);

// What is worst first: wrong, regressed, inconclusive, proven; within these by size.
std::vector<const CaseReport*> by_severity(const Report& report);

std::size_t count(const Report& report, Verdict verdict);  // of cases that compute what they should
std::size_t count_wrong(const Report& report);

// One sentence: "REGRESSED: 1 of 40 cases is slower, by up to 5.1 %".
std::string headline(const Report& report);
// Lines about the suite, the null arm and how it was measured, each without a line break.
std::vector<std::string> remarks(const Report& report);

// The final table.
std::string format_report(const Report& report, bool color);

}  // namespace attn::bench::gate
