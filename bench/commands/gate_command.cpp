// attnbench gate: is the candidate build slower than the base build?
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/read_text.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "base/window.hpp"
#include "cases/case_options.hpp"
#include "commands/commands.hpp"
#include "gate/ci_output.hpp"
#include "gate/contenders.hpp"
#include "gate/live_view.hpp"
#include "gate/output_folder.hpp"
#include "gate/selftest.hpp"
#include "gate/text.hpp"
#include "machine/machine.hpp"
#include "results/table.hpp"

namespace attn::bench {
namespace {

using namespace gate;

struct Options {
  std::string base, candidate;
  CaseOptions cases;
  WorkerOptions worker;
  double limit_percent = 3, alpha = 0.01, max_seconds = 300;
  std::optional<double> min_effect_percent;
  int rounds = 0;
  std::string inconclusive = "fail", out, floors, same_code;
  bool common = false, annotate = false;
};

// Sends everything to several observers.
class Observers : public Observer {
 public:
  void add(Observer& observer) { all_.push_back(&observer); }
  void measured(const CaseReport& c, Phase phase, int round, const Round& measured, bool null_arm) override {
    for (Observer* observer : all_) observer->measured(c, phase, round, measured, null_arm);
  }
  void progressed(const Report& report, const Progress& progress) override {
    for (Observer* observer : all_) observer->progressed(report, progress);
  }

 private:
  std::vector<Observer*> all_;
};

// What `--floors` means: a file, none, or the recorded one of this machine where there is one.
std::string floors_file(const std::string& chosen) {
  if (!chosen.empty()) return chosen == "none" ? "" : chosen;
  const std::string recorded = ATTN_RESULTS_DIR "/" + machine_folder() + "/gate/floors.json";
  if (!std::filesystem::exists(recorded)) return {};
  say("Floors: {}\n", recorded);
  return recorded;
}

// {"floors": {CASE: RATIO, ...}}, as tools/selftest writes it.
std::map<std::string, double> load_floors(const std::string& path) {
  std::map<std::string, double> floors;
  if (path.empty()) return floors;
  const std::string text = read_text(path);
  try {
    const Json json = Json::parse(text);
    for (const auto& [name, ratio] : json.at("floors").items()) {
      floors[name] = std::log(ratio.get<double>());
      if (!(floors[name] >= 0 && floors[name] <= std::log(2)))
        throw std::invalid_argument(name + ": a floor is a ratio from 1 to 2");
    }
  } catch (const std::exception& error) {
    throw UsageError(fmt::format("--floors {}: {}", path, json_fault(error)));
  }
  return floors;
}

// A variant/isa per line.
std::set<std::string> load_same_code(const std::string& path) {
  std::set<std::string> rows;
  if (path.empty()) return rows;
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) rows.insert(line);
  return rows;
}

Settings settings_of(const Options& options) {
  Settings settings{.max_seconds = options.max_seconds,
                    .fixed_rounds = options.rounds,
                    .seed = std::random_device{}(),
                    .floors = load_floors(floors_file(options.floors))};
  Criteria& criteria = settings.criteria;
  criteria.alpha = options.alpha;
  criteria.limit = std::log1p(options.limit_percent / 100);
  if (!options.min_effect_percent) {
    criteria.min_effect = std::min(criteria.min_effect, std::log1p(options.limit_percent / 2 / 100));
  } else if (*options.min_effect_percent < options.limit_percent) {
    criteria.min_effect = std::log1p(*options.min_effect_percent / 100);
  } else {
    throw UsageError(
        fmt::format("--min-effect {} must be below --limit {}", *options.min_effect_percent, options.limit_percent));
  }
  return settings;
}

// The rows "variant/isa" of which both builds have the same machine code are told by whoever built them.
void mark_same_code(Report& report, const std::set<std::string>& rows) {
  for (CaseReport& c : report.cases) {
    const CaseName name = parse_case_name(c.pairing.label);
    c.same_code = rows.count(fmt::format("{}/{}", name.variant, name.isa)) > 0;
  }
}

// A broken environment ends in a report too: continuous integration shows that rather than a log.
Report measure(const Options& options, const Settings& settings, Observer& observer) {
  WorkerSide base("base", parse_worker_command("BASE", options.base), options.worker);
  WorkerSide candidate("candidate", parse_worker_command("CAND", options.candidate), options.worker);
  WorkerSide copy("copy of the base", parse_worker_command("BASE", options.base), options.worker);
  Report report;
  std::vector<Pairing> pairings;
  std::vector<Skipped> skipped;
  try {
    pairings =
        introduce(base, candidate, options.cases, options.common, report.base_facts, report.candidate_facts, skipped);
    say("{}", format_skipped(skipped));
  } catch (const EnvironmentError& error) {
    if (interrupted())
      report.interrupted = true;
    else
      report.failure = error.what();
    return report;
  }
  std::vector<std::string> names;
  for (const Pairing& pairing : pairings) names.push_back(pairing.label);
  require_memory(names, 3);
  const Arena arena{
      .base = base, .candidate = candidate, .copy = copy, .seconds = clock_seconds, .interrupted = interrupted};
  report = run_gate(arena, pairings, settings, observer);
  report.skipped = std::move(skipped);
  return report;
}

int gate_builds(Options options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("gate times in its own way: {} belongs to run", context.benchmark_flags.front()));
  if (options.base.empty() || options.candidate.empty())
    throw UsageError("gate needs two command lines, 'BASE' and 'CAND': attnbench of one build and of another");
  if (options.cases.sweeps.empty() && options.cases.problems.empty()) options.cases.sweeps = {"gate"};
  const bool inconclusive_passes = options.inconclusive == "pass";
  const Settings settings = settings_of(options);
  const std::set<std::string> same_code = load_same_code(options.same_code);
  std::optional<OutputFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out);

  LiveView view;
  Observers observers;
  if (folder) observers.add(*folder);
  observers.add(view);
  Report report = measure(options, settings, observers);
  view.clear();
  mark_same_code(report, same_code);
  if (report.cases.empty())
    say("attnbench: {}\n", headline(report));
  else
    put("{}", format_report(report, wants_color(STDOUT_FILENO)));
  if (options.annotate) put("{}", annotations(report, inconclusive_passes));
  std::fflush(stdout);
  if (folder) {
    folder->write(report, inconclusive_passes);
    say("Report: {}/gate.md, gate.json, junit.xml, A.json, B.json\n", options.out);
  }
  return exit_code(outcome_of(report), inconclusive_passes);
}

}  // namespace

Command add_gate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("gate", "is one build slower than another? Compares them in turns");
  auto options = std::make_shared<Options>();
  command->add_option("BASE", options->base, "command line of the base's attnbench, such as 'ssh host attnbench'");
  command->add_option("CAND", options->candidate, "command line of the candidate's");
  add_case_options(*command, options->cases);
  command->add_option("--limit", options->limit_percent, "percent; PROVEN is to be slower by less")
      ->check(in_range(0.1, 100.0))
      ->capture_default_str();
  command
      ->add_option("--min-effect", options->min_effect_percent,
                   "percent; up to it a slowdown of a case is none, up to half of it one of the whole suite; without "
                   "it 1, or half of --limit where that is less")
      ->check(in_range(0.0, 100.0));
  command->add_option("--alpha", options->alpha, "probability of any false REGRESSED among the cases")
      ->check(in_range(1e-6, 0.2))
      ->capture_default_str();
  command->add_option("--max-seconds", options->max_seconds, "then what is open is INCONCLUSIVE")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "full rounds of every case, without stopping early")
      ->check(CLI::Range(1, kMostSigns));
  command->add_option("--inconclusive", options->inconclusive, "pass: INCONCLUSIVE ends with 0; fail: with 5")
      ->check(CLI::IsMember({"pass", "fail"}))
      ->capture_default_str();
  command->add_flag("--common", options->common, "compare the cases that both have, rather than demand equal lists");
  command->add_option(
      "--floors", options->floors,
      "what code placement alone makes of each case: a file of tools/selftest, or none; without it that of "
      "results/<this machine>/gate/");
  command->add_option("--same-code", options->same_code,
                      "kernels whose machine code is equal in both, one variant/isa a line");
  command->add_option("--out", options->out, "folder for gate.json, gate.md, junit.xml, A.json, B.json, trace.jsonl");
  command->add_flag("--annotate", options->annotate, "print ::error lines for the log of a GitHub workflow");
  command->add_option("--seed", options->worker.seed, "of the inputs")->capture_default_str();
  command->add_option("--hang-seconds", options->worker.hang_seconds, "without an answer, until a side counts as hung")
      ->check(positive())
      ->capture_default_str();
  CLI::App* test = command->add_subcommand("selftest", "how often the gate cries wolf, and finds what is there");
  auto test_options = std::make_shared<SelftestOptions>();
  add_selftest_options(*test, *test_options);
  return [options, test, test_options](const Context& context) {
    return test->parsed() ? selftest(*test_options) : gate_builds(*options, context);
  };
}

}  // namespace attn::bench
