// attnbench tune: finds the fastest variant for each problem on this machine, and what the compiled-in policy loses.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <omp.h>

#include <algorithm>
#include <memory>
#include <random>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "cases/best_file.hpp"
#include "cases/case_options.hpp"
#include "cases/input_origin.hpp"
#include "commands/commands.hpp"
#include "commands/ranking.hpp"
#include "commands/reporter.hpp"
#include "commands/tune_group.hpp"
#include "machine/machine.hpp"
#include "registry.hpp"
#include "results/record.hpp"
#include "results/table.hpp"
#include "select.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

struct Options {
  CaseOptions cases;
  std::string out;
  std::uint64_t seed = 1;
  double seconds_per_problem = 1, max_case_seconds = 10, hang_seconds = 60;
};

// One per core as well as one.
std::string default_threads() {
  const int cores = omp_get_num_procs();
  return cores > 1 ? fmt::format("1,{}", cores) : "1";
}

CaseOptions with_defaults(CaseOptions options) {
  if (!options.sweeps.empty() || !options.problems.empty()) return options;
  options.sweeps = {"tune"};
  if (options.threads.empty()) options.threads = default_threads();
  return options;
}

// A choice is made for a problem, whatever feeds it, and never falls on a kernel that trades accuracy.
void refuse_setups(const Cases& cases) {
  for (const Case& c : cases.run)
    if (c.workload.setup != Setup{})
      throw UsageError(
          fmt::format("tune chooses for problems; leave fill and layout out of {}", to_string(c.workload)));
}

void leave_out_inexact(Cases& cases) {
  std::erase_if(cases.run, [&](const Case& c) {
    if (c.variant->error_multiple <= 1) return false;
    cases.skipped.push_back({case_name(c), Reason::left_out, "trades accuracy by design: never chosen"});
    return true;
  });
}

// The fastest; but where the turns do not show that it is faster than the policy's choice, that stays.
BestEntry entry_of(const TuneGroup& group, const std::vector<Rank>& ranking) {
  const Problem& p = group.workload.problem;
  const auto selected =
      std::find_if(ranking.begin(), ranking.end(), [&](const Rank& rank) { return rank.variant == group.selected; });
  const Rank& best = selected != ranking.end() && selected->level ? *selected : ranking.front();
  BestEntry entry{.choice = {p, group.threads, isa_of(*best.variant), best.variant->name},
                  .gflops = static_cast<double>(flops(p)) / best.seconds / 1e9,
                  .spread = best.spread};
  for (const Rank& rank : ranking) {
    entry.median_us[rank.variant->name] = rank.seconds * 1e6;
    if (rank.level && &rank != &best) entry.level.push_back(rank.variant->name);
  }
  if (selected == ranking.end()) return entry;
  entry.selected = selected->variant->name;
  entry.rule = rule_for(p, group.threads).name;
  entry.regret = std::max(0.0, selected->seconds / best.seconds - 1);
  return entry;
}

// ", level: lazy_max, base2_softmax"
std::string level_text(const BestEntry& entry) {
  return entry.level.empty() ? "" : fmt::format(", level: {}", fmt::join(entry.level, ", "));
}

std::string outcome_of(const BestEntry& entry) {
  return fmt::format("{:>16} {:8.3g} GFLOP/s, regret {:4.1f} %{}", entry.choice.variant, entry.gflops,
                     100 * entry.regret, level_text(entry));
}

// Ranks all groups, those of one workload after each other on the same inputs and oracle.
void rank_all(const std::vector<TuneGroup>& groups, const Options& options, Watchdog& watchdog, BestFile& file) {
  std::vector<std::pair<std::string, double>> steps;
  for (const TuneGroup& group : groups)
    steps.emplace_back(group_name(group), options.seconds_per_problem + overhead_seconds(group));
  Progress progress(steps);
  Workbench workbench(options.seed);
  std::mt19937_64 random(std::random_device{}());
  for (const TuneGroup& group : groups) {
    progress.begin(group_name(group));
    const Ranking result =
        rank_in_turns(group.entrants, workbench, options.seconds_per_problem, group.selected, random, watchdog);
    if (interrupted()) return progress.clear_line();
    for (const Skipped& failed : result.failed) file.wrong.push_back(fmt::format("{}: {}", failed.name, failed.text));
    if (result.ranks.empty()) {
      progress.finish(group_name(group), "FAILED: no choice");
      continue;
    }
    file.entries.push_back(entry_of(group, result.ranks));
    progress.finish(group_name(group), outcome_of(file.entries.back()));
  }
}

std::string format_worst(const std::vector<BestEntry>& entries) {
  const auto worst = std::max_element(entries.begin(), entries.end(),
                                      [](const BestEntry& a, const BestEntry& b) { return a.regret < b.regret; });
  if (worst->regret == 0) return "Worst regret: none, nothing was shown to be faster than what select has, anywhere.\n";
  return fmt::format("Worst regret: {:.1f} %, {} {} threads:{}: select has {}, {} is faster.\n", 100 * worst->regret,
                     to_short_string({.problem = worst->choice.problem}), to_string(worst->choice.isa),
                     worst->choice.threads, worst->selected, worst->choice.variant);
}

std::string format_entries(const std::vector<BestEntry>& entries) {
  std::size_t width = 24;
  for (const BestEntry& e : entries) width = std::max(width, to_short_string({.problem = e.choice.problem}).size());
  std::string text = fmt::format("\n{:<{}} {:>7} {:>7} {:>16} {:>8} {:>7} {:>16} {:>7}  {}\n", "problem", width, "isa",
                                 "threads", "best", "GFLOP/s", "spread", "select", "regret", "rule");
  for (const BestEntry& e : entries)
    text +=
        fmt::format("{:<{}} {:>7} {:>7} {:>16} {:>8.1f} {:>5.1f} % {:>16} {:>7}  {}{}\n",
                    to_short_string({.problem = e.choice.problem}), width, to_string(e.choice.isa), e.choice.threads,
                    e.choice.variant, e.gflops, 100 * e.spread, e.selected.empty() ? "-" : e.selected,
                    e.selected.empty() ? "-" : fmt::format("{:.1f} %", 100 * e.regret), e.rule, level_text(e));
  text +=
      "\nbest: the fastest by median time; where turns do not show that it is faster than the compiled-in choice,\n"
      "select, that stays. level: others that were not shown to be slower. spread: the middle half of the turns of "
      "best.\n"
      "regret: what select takes longer.\n";
  return text + format_worst(entries);
}

std::string command_line(const Options& options) {
  std::string text = "attnbench tune";
  const auto add = [&](const char* option, const std::string& value) { text += fmt::format(" {} {}", option, value); };
  for (const std::string& sweep : options.cases.sweeps) add("--sweep", sweep);
  for (const std::string& problem : options.cases.problems) add("--problem", problem);
  if (!options.cases.variants.empty()) add("--variants", options.cases.variants);
  if (!options.cases.isa.empty()) add("--isa", options.cases.isa);
  if (!options.cases.threads.empty()) add("--threads", options.cases.threads);
  add("--seed", std::to_string(options.seed));
  add("--seconds-per-problem", fmt::format("{:g}", options.seconds_per_problem));
  return text;
}

int tune(Options options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("tune times in its own way: {} belongs to run", context.benchmark_flags.front()));
  const bool own_teams = options.cases.threads.empty();
  options.cases = with_defaults(options.cases);
  Cases cases = expand_cases(options.cases, context.table, default_threads());
  refuse_setups(cases);
  leave_out_inexact(cases);
  // Teams were our choice, not the user's: that a variant has none is no news.
  if (own_teams) std::erase_if(cases.skipped, [](const Skipped& s) { return parse_case_name(s.name).threads > 1; });
  // The turns take their time from seconds_per_problem; the plan predicts what comes on top.
  const Limits limits{
      .max_case_seconds = options.max_case_seconds, .min_time_seconds = 1e-3, .memory_bytes = available_bytes()};
  const InputOrigin origin(InputOptions{.seed = options.seed, .tensors = {}});
  const Kernels kernels(context.table, {.hang_seconds = options.hang_seconds}, origin);
  const std::vector<TuneGroup> groups =
      make_tune_groups(cases, options.cases.isa.empty() || options.cases.isa == "native", limits, context.table,
                       cases.skipped, &kernels);
  if (groups.empty()) throw UsageError("nothing can be tuned:" + format_skipped(cases.skipped));
  const std::string path = options.out.empty() ? record_folder("tune without --out") + "/best.toml" : options.out;
  OutputFile out(path);

  BestFile file{.revision = revision(), .date = utc_date(), .command = command_line(options)};
  file.machine = machine_facts();
  file.machine.erase("revision");
  Watchdog watchdog(options.hang_seconds);
  rank_all(groups, options, watchdog, file);
  if (interrupted()) return kExitInterrupted;
  if (!file.entries.empty()) {
    put("{}{}", format_entries(file.entries), format_skipped(cases.skipped));
    out.write(to_toml(file));
    say("Choices: {}\n", printable(path));
  }
  for (const std::string& wrong : file.wrong) say("FAILED {}\n", wrong);
  return file.wrong.empty() ? kExitGood : kExitWrong;
}

}  // namespace

Command add_tune(CLI::App& app) {
  CLI::App* command = app.add_subcommand("tune", "find the fastest variant for each problem: the table behind `best`");
  auto options = std::make_shared<Options>();
  add_case_options(*command, options->cases);
  command->add_option("--out", options->out, "the file to write; without it best.toml in results/<machine>/");
  command->add_option("--seed", options->seed, "of the inputs")->capture_default_str();
  command
      ->add_option("--seconds-per-problem", options->seconds_per_problem,
                   "of timing, for all variants of a problem and team together")
      ->check(in_range(1e-6, 1e6))
      ->capture_default_str();
  command
      ->add_option("--max-case-seconds", options->max_case_seconds,
                   "leave out variants of which one call is predicted to take longer")
      ->check(positive())
      ->capture_default_str();
  command
      ->add_option("--hang-seconds", options->hang_seconds,
                   "end the command when a kernel is so much later than predicted")
      ->check(positive())
      ->capture_default_str();
  return [options](const Context& context) { return tune(*options, context); };
}

}  // namespace attn::bench
