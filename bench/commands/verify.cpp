// attnbench verify: checks kernels against the oracle without timing anything.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/window.hpp"
#include "cases/case_options.hpp"
#include "cases/input_origin.hpp"
#include "cases/sweep.hpp"
#include "cases/verify_problems.hpp"
#include "commands/commands.hpp"
#include "commands/failure_groups.hpp"
#include "commands/plan.hpp"
#include "commands/reporter.hpp"
#include "machine/machine.hpp"
#include "machine/openmp_team.hpp"
#include "measure/calibration.hpp"
#include "results/table.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

struct Options {
  CaseOptions cases;
  KernelOptions kernels;
  InputOptions inputs;
  double max_case_seconds = 10;
  std::string json;
  bool verbose = false;
};

struct Tally {
  int passed = 0, failed = 0;
  double worst = 0;  // largest error as a share of its tolerance
};

// What was found so far, printed and written at the end.
class Findings {
 public:
  Findings(std::string arguments, bool verbose) : arguments_(std::move(arguments)), verbose_(verbose) {}

  // Before any work is done. Throws UsageError.
  void write_to(const std::string& file) { json_.emplace(file); }

  void add(const Case& c, const CaseVerdict& verdict) {
    Tally& tally = tallies_[fmt::format("{:<18}{}", c.variant->name, c.variant->isa)];
    ++(verdict.passed ? tally.passed : tally.failed);
    tally.worst = std::max(tally.worst, verdict.max_scaled_err / verdict.tolerance);
    if (verdict.passed && verdict.quantisation_err > most_quantised_.second.quantisation_err)
      most_quantised_ = {case_name(c), verdict};
    Json row = {{"name", case_name(c)}};
    row.update(to_json(verdict));
    rows_.push_back(std::move(row));
    if (!verdict.mistrusted.empty()) mistrusted_[verdict.mistrusted].push_back(case_name(c));
    checked_.push_back({c, verdict});
    if (!verdict.passed) tell(c, verdict, tally.failed == 1);
  }

  // What failures have in common.
  void put_groups() const {
    for (const FailureGroup& group : failure_groups(checked_)) put("{}", to_text(group, arguments_));
  }

  // Returns the exit code.
  int conclude(const std::vector<Skipped>& skipped) {
    int failed = 0;
    put_groups();
    for (const auto& [name, tally] : tallies_) {
      put("{:<26} {} {} cases, largest error {:.0f} % of its tolerance\n", name,
          tally.failed == 0 ? "ok    " : "FAILED",
          tally.failed == 0 ? std::to_string(tally.passed)
                            : fmt::format("{} of {}", tally.failed, tally.failed + tally.passed),
          100 * std::min(tally.worst, 1e6));
      failed += tally.failed;
    }
    for (const auto& [reason, names] : mistrusted_)
      put("mistrusted: {} ({} case{}, such as {})\n", reason, names.size(), names.size() == 1 ? "" : "s",
          names.front());
    if (const auto& [name, verdict] = most_quantised_; !name.empty())
      put("int8: errors of up to {:.2g} against keys and values before they were quantised, {:.2g} by exact "
          "arithmetic: {}\n",
          verdict.quantisation_err, verdict.format_err, name);
    put("{}", format_skipped(skipped, window_columns(STDOUT_FILENO)));
    if (json_) json_->write(json_text(rows_));
    return failed == 0 ? kExitGood : kExitWrong;
  }

 private:
  // As it happens, since a run may be long or end early: all of it, or that there is something to come.
  void tell(const Case& c, const CaseVerdict& verdict, bool is_first) const {
    if (verbose_) {
      put("FAILED {}\n  {}\n  {}{}\n", case_name(c), verdict.why().text, verify_command(c), arguments_);
      std::fflush(stdout);  // a later kernel may end the process
    } else if (is_first) {
      say("FAILED {}: {}\n", case_name(c), verdict.why().text);
    }
  }

  std::optional<OutputFile> json_;
  std::string arguments_;
  bool verbose_;
  std::vector<CheckedCase> checked_;
  std::map<std::string, Tally> tallies_;
  std::map<std::string, std::vector<std::string>> mistrusted_;  // cases that passed where little can fail, by reason
  std::pair<std::string, CaseVerdict> most_quantised_;          // the case of int8 that quantising changed most
  Json rows_ = Json::array();
};

// Names the case at work: on a terminal in a line that is rewritten, elsewhere in a line now and then.
class Steps {
 public:
  explicit Steps(const Plan& plan) : total_(plan.cases.size()), progress_(steps_of(plan)) {}

  void begin(const std::string& name) {
    ++begun_;
    progress_.begin(name);
    if (rewrites_lines(STDERR_FILENO) || progress_.elapsed_seconds() < next_line_) return;
    next_line_ = progress_.elapsed_seconds() + kSecondsBetweenLines;
    say("[{}/{}] {}\n", begun_, total_, name);
  }
  void clear_line() const { progress_.clear_line(); }

 private:
  static constexpr double kSecondsBetweenLines = 10;
  static std::vector<std::pair<std::string, double>> steps_of(const Plan& plan) {
    std::vector<std::pair<std::string, double>> steps;
    for (const PlannedCase& planned : plan.cases)
      steps.emplace_back(case_name(planned.c), planned.iteration_seconds + oracle_seconds(planned.c.workload));
    return steps;
  }

  std::size_t total_, begun_ = 0;
  double next_line_ = kSecondsBetweenLines;
  Progress progress_;
};

// A kernel that ends its worker has failed.
CaseVerdict judge(const PlannedCase& planned, const Kernels& kernels) {
  const std::string name = case_name(planned.c);
  set_current_activity(name);
  try {
    const CaseVerdict verdict = kernels.worker_of(planned.c)->prepare(name, planned.iteration_seconds).verdict;
    // Right here, and it crashed on the problem that it was calibrated on.
    return verdict.passed && planned.failure ? CaseVerdict(planned.failure) : verdict;
  } catch (const WorkerError& error) {
    return CaseVerdict(error.of_its_kernel());
  }
}

Plan plan_of(const Options& options, const CaseOptions& chosen, const Kernels& kernels, const InputOrigin& origin) {
  Plan plan = make_plan(expand_cases(chosen, kernels.table(), "1,2", kernels.guests(), origin.file()),
                        {.max_case_seconds = options.max_case_seconds, .memory_bytes = available_bytes()}, &kernels);
  // Teams of two were our choice, not the user's: that a variant has none is no news.
  if (chosen.threads.empty())
    std::erase_if(plan.skipped, [](const Skipped& s) { return parse_case_name(s.name).threads > 1; });
  // So were the problems: `list` tells what a variant does not support.
  if (options.cases.sweeps.empty() && !options.cases.names_problems())
    std::erase_if(plan.skipped, [](const Skipped& s) { return s.reason == Reason::unsupported; });
  if (plan.cases.empty()) throw UsageError("no case can be verified:" + format_skipped(plan.skipped));
  return plan;
}

int verify(const Options& options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("verify times nothing: {} belongs to run", context.benchmark_flags.front()));
  CaseOptions chosen = options.cases;
  const InputOrigin origin(options.inputs);
  if (chosen.sweeps.empty() && !chosen.names_problems() && origin.file() == nullptr)
    chosen.problems = verify_problems_of_all_elements();
  KernelOptions wanted = options.kernels;
  wanted.peers = wanted.peers || wants_peers(chosen.sweeps);
  wanted.isolate = true;  // a kernel that crashes or hangs costs its case
  const Kernels kernels(context.table, wanted, origin);
  Findings findings(origin.arguments() + kernels.arguments(), options.verbose);
  const Plan plan = plan_of(options, chosen, kernels, origin);
  if (!options.json.empty()) findings.write_to(options.json);

  // Where this process cannot have a team, no worker can: that is no kernel's fault.
  std::set<int> teams;
  for (const PlannedCase& planned : plan.cases)
    if (teams.insert(planned.c.threads).second) form_team(planned.c.threads);

  Steps steps(plan);
  for (const PlannedCase& planned : plan.cases) {
    if (interrupted()) break;
    steps.begin(case_name(planned.c));
    const CaseVerdict verdict = judge(planned, kernels);
    if (interrupted()) break;
    if (!verdict.passed) steps.clear_line();
    findings.add(planned.c, verdict);
  }
  steps.clear_line();
  if (!interrupted()) return findings.conclude(plan.skipped);
  findings.put_groups();
  return kExitInterrupted;
}

}  // namespace

Command add_verify(CLI::App& app) {
  CLI::App* command = app.add_subcommand("verify", "check kernels against the fp64 oracle, without timing");
  auto options = std::make_shared<Options>();
  add_case_options(*command, options->cases);
  add_best_option(*command, options->cases);
  add_kernel_options(*command, options->kernels, true);
  add_input_options(*command, options->inputs);
  command->add_option("--max-case-seconds", options->max_case_seconds, "skip cases that are predicted to take longer")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--json", options->json, "write a verdict per case to this file");
  command->add_flag("--verbose", options->verbose, "print every failure with its command, as it happens");
  return [options](const Context& context) { return verify(*options, context); };
}

}  // namespace attn::bench
