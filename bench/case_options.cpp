#include <fmt/format.h>

#include <set>

#include "commands.hpp"
#include "errors.hpp"
#include "sweep.hpp"

namespace attn::bench {

void add_case_options(CLI::App& command, CaseOptions& options) {
  command.add_option("--sweep", options.sweeps, "a name in bench/sweeps/ or a file; may be repeated");
  command.add_option("--problem", options.problems, "such as h:12/q:1024/d:64/mask:causal; may be repeated");
  command.add_option("--variants", options.variants,
                     "comma-separated regular expressions over variant names; `best` is what the library would choose");
  command.add_option("--isa", options.isa, "native (the highest that runs here), all, or a comma-separated list")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "comma-separated team sizes");
}

Cases expand_cases(const CaseOptions& options, const Context& context, const std::string& default_threads) {
  Cases all;
  std::set<std::string> seen;
  const auto add = [&](const std::string& variants, const std::string& threads,
                       const std::vector<Workload>& workloads) {
    const Selection selection{
        .variants = options.variants.empty() ? variants : options.variants,
        .isa = options.isa,
        .threads = options.threads.empty() ? threads : options.threads,
    };
    Cases cases = select_cases(selection, workloads, context.table);
    for (const Case& c : cases.run)
      if (seen.insert(case_name(c)).second) all.run.push_back(c);
    for (Skipped& s : cases.skipped)
      if (seen.insert(s.name).second) all.skipped.push_back(std::move(s));
  };
  for (const std::string& name : options.sweeps) {
    const Sweep sweep = load_sweep(name);
    std::vector<Workload> workloads;
    for (const SweepProblem& problem : sweep.problems) workloads.push_back(problem.workload);
    add(sweep.variants, sweep.threads, workloads);
  }
  std::vector<Workload> workloads;
  try {
    for (const std::string& text : options.problems) workloads.push_back(parse_workload(text));
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("--problem: {}", error.what()));
  }
  if (!workloads.empty()) add(".*", default_threads, workloads);
  return all;
}

}  // namespace attn::bench
