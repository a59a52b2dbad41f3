// Failure groups: what the failures of a kernel have in common, "only where causal and q != k: 14 of 30", in place of a list
// of them; one reproducer each.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "measure/case_verdict.hpp"

namespace attn::bench {

struct CheckedCase {
  Case c;
  CaseVerdict verdict;
};

// Failures of one variant and of one kind: wrong results, crashes, hangs, ... ISAs on which the same cases fail are one group.
struct FailureGroup {
  std::string variant;
  std::vector<std::string> isas;
  std::size_t failed = 0, of = 0;  // cases on each of these ISAs: that failed, and that `where` holds for
  std::string where;               // "causal and q != k"; empty where nothing sets them apart from those that passed
  std::vector<std::string> diagnoses;     // what wrong outputs look like, the most frequent first
  const CheckedCase* smallest = nullptr;  // its failure and reproducer stand for all
};

// In order of appearance. Refers to `checked`.
std::vector<FailureGroup> failure_groups(std::span<const CheckedCase> checked);

// A few lines; `arguments`: of a command that repeats a case, after the case.
std::string to_text(const FailureGroup& group, const std::string& arguments);

}  // namespace attn::bench
