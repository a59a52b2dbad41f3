#include "commands/side_case.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/errors.hpp"
#include "element.hpp"
#include "results/table.hpp"

namespace attn::bench {
namespace {

// The problem in another dtype.
Workload in_dtype(Workload workload, const std::string& name) {
  const auto* element = std::ranges::find(kElements, name, &Element::name);
  if (element == kElements.end()) {
    std::vector<const char*> names;
    for (const Element& valid : kElements) names.push_back(valid.name);
    throw UsageError(fmt::format("there is no dtype '{}'; valid: {}", name, fmt::join(names, ", ")));
  }
  workload.problem.dtype = element->dtype;
  try {
    return parse_workload(to_string(workload));  // which says where that dtype is not possible
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

}  // namespace

Workload SideOptions::workload() const {
  try {
    return parse_workload(problem);
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("--problem: {}", error.what()));
  }
}

void add_side_options(CLI::App& command, SideOptions& options) {
  command
      .add_option("--problem", options.problem,
                  "such as h:12/q:1024/d:64/mask:causal; its dtype is that of sides that name none")
      ->required();
  command.add_option("--isa", options.isa, "where A or B name none")->capture_default_str();
  command.add_option("--threads", options.threads, "team size, where A or B name none")->capture_default_str();
}

Case side_case(const char* which, const std::string& text, const SideOptions& options,
               std::span<const Variant* const> table) {
  static const RE2 kForm("([^/@]+)(?:/([^/@:]+))?(?:/dtype:([^/@]+))?(?:@([^/@]+))?");
  std::string variant, isa, dtype, threads;
  if (!RE2::FullMatch(text, kForm, &variant, &isa, &dtype, &threads))
    throw UsageError(
        fmt::format("{} '{}': valid: {}, such as flash/avx2@2 or flash/dtype:bf16; what else the problem is, --problem "
                    "says for both",
                    which, text, kSideForm));
  const Selection selection{.variants = variant,
                            .isa = isa.empty() ? options.isa : isa,
                            .threads = threads.empty() ? options.threads : threads};
  const Workload workload = options.workload();
  Cases cases;
  try {
    cases = select_cases(selection, {dtype.empty() ? workload : in_dtype(workload, dtype)}, table);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{} '{}': {}", which, text, error.what()));
  }
  if (cases.run.empty())
    throw UsageError(fmt::format("{} '{}' cannot be run:{}", which, text, format_skipped(cases.skipped)));
  if (cases.run.size() > 1)
    throw UsageError(fmt::format("{} '{}' is {} cases, such as {} and {}; name one", which, text, cases.run.size(),
                                 short_name(case_name(cases.run[0])), short_name(case_name(cases.run[1]))));
  return cases.run[0];
}

}  // namespace attn::bench
