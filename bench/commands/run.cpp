// attnbench run: plans, checks, times and reports.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/option_checks.hpp"
#include "base/printable.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/window.hpp"
#include "cases/case_options.hpp"
#include "cases/input_origin.hpp"
#include "cases/pattern.hpp"
#include "cases/sweep.hpp"
#include "commands/benchmark_flags.hpp"
#include "commands/changes.hpp"
#include "commands/commands.hpp"
#include "commands/header.hpp"
#include "commands/plan.hpp"
#include "commands/reporter.hpp"
#include "commands/turns_of_problem.hpp"
#include "machine/ceilings.hpp"
#include "machine/machine.hpp"
#include "measure/workbench.hpp"
#include "registry.hpp"
#include "results/csv_rows.hpp"
#include "results/exports.hpp"
#include "results/record.hpp"
#include "results/result_file.hpp"
#include "results/table.hpp"
#include "workers/first_contact.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

struct Options {
  CaseOptions cases;
  KernelOptions kernels;
  InputOptions inputs;
  double max_case_seconds = 10;
  bool resume = false, dry_run = false, record = false;
  std::string markdown, csv;  // files of exports.hpp
};

// As Google Benchmark filters: searched in the full row name, a leading '-' negates. Done before planning, so
// that the time budget belongs to what will run.
void apply_filter(Cases& cases, const std::string& filter) {
  if (filter.empty() || filter == "all") return;
  const bool negative = filter[0] == '-';
  const Pattern pattern("--benchmark_filter", filter.substr(negative));
  std::erase_if(cases.run,
                [&](const Case& c) { return RE2::PartialMatch(case_name(c) + "/real_time", pattern) == negative; });
  if (cases.run.empty())
    throw UsageError(fmt::format("--benchmark_filter={} matches none of the selected cases", filter));
}

std::string join_names(const std::vector<std::string>& sweeps) {
  std::vector<std::string> names;
  for (const std::string& sweep : sweeps) names.push_back(std::filesystem::path(sweep).stem());
  return names.empty() ? "custom" : fmt::format("{}", fmt::join(names, "+"));
}

// results/<machine>/<date>-<revision>-<sweep>.json of the source tree, whose folder is made.
std::string record_path(const Options& options, const BenchmarkFlags& flags) {
  if (!flags.out.empty()) throw UsageError("--record names the file itself; leave --benchmark_out out");
  const auto path = std::filesystem::path(record_folder("--record")) /
                    fmt::format("{}-{}-{}.json", utc_date(), revision(), join_names(options.cases.sweeps));
  if (std::filesystem::exists(path) && !options.resume)
    throw UsageError(fmt::format("{} exists; move it away or use --resume", path.string()));
  return path.string();
}

Limits limits_of(const Options& options, const BenchmarkFlags& flags) {
  Limits limits{.max_case_seconds = options.max_case_seconds,
                .min_time_seconds = flags.min_time_seconds,
                .repetitions = flags.repetitions,
                .memory_bytes = available_bytes()};
  bool all_have_budgets = true;
  for (const std::string& name : options.cases.sweeps) {
    const Sweep sweep = load_sweep(name);
    limits.budget_seconds += sweep.budget_seconds;
    all_have_budgets = all_have_budgets && sweep.budget_seconds > 0;
    if (flags.min_time_seconds == 0)
      limits.min_time_seconds = std::max(limits.min_time_seconds, sweep.min_time_seconds);
  }
  // Problems named one by one are all wanted, as those of a sweep without a budget.
  if (!all_have_budgets || options.cases.names_problems()) limits.budget_seconds = 0;
  if (limits.min_time_seconds == 0) limits.min_time_seconds = 0.5;
  return limits;
}

void print_plan(const Plan& plan, const Limits& limits) {
  for (const PlannedCase& planned : plan.cases)
    put("{:8.2f} s  {}{}\n", planned.total_seconds, case_name(planned.c),
        planned.failure ? "  FAILED " + planned.failure.text : "");
  put("\n{} cases, {:.0f} s predicted{}\n", plan.cases.size(), plan.total_seconds,
      limits.budget_seconds > 0 ? fmt::format(" of a budget of {:g} s", limits.budget_seconds) : "");
  put("{}", format_skipped(plan.skipped, window_columns(STDOUT_FILENO)));
}

// What ties a file to this machine, build and data; --resume demands that it is the same.
std::map<std::string, std::string> identity(const InputOrigin& origin, const Kernels& kernels) {
  const auto facts = machine_facts();
  return {{"cpu", facts.at("cpu")},
          {"stepping", facts.at("stepping")},
          {"cores", facts.at("cores")},
          {"revision", revision()},
          {"flags", facts.at("flags")},
          {"compiler", facts.at("compiler")},
          {"plugins", fmt::format("{}", fmt::join(kernels.plugins(), "; "))},
          {"seed", std::to_string(origin.source().seed)},
          {"tensors", origin.file() == nullptr ? "" : origin.file()->name()},
          {"tensors_dtype", origin.tensors_dtype()},
          {"tensors_hash", origin.file() == nullptr ? "" : origin.file()->hash()}};
}

// The ceilings of every team and ISA of the plan, team by team so that the memory that is read is made once.
Json ceilings_of(const Plan& plan) {
  constexpr double kSecondsPerCeiling = 0.01;
  std::set<std::pair<int, Isa>> teams;
  for (const PlannedCase& planned : plan.cases) teams.emplace(planned.c.threads, isa_of(*planned.c.variant));
  const Surroundings around{.available_bytes = available_bytes()};
  ReadGround ground;
  Json ceilings = Json::array();
  for (const auto& [threads, isa] : teams)
    ceilings.push_back(to_json(measure_ceilings(isa, threads, kSecondsPerCeiling, around, ground)));
  return ceilings;
}

void add_context(const BenchmarkFlags& flags, const InputOrigin& origin, const Kernels& kernels) {
  for (const auto& [key, value] : machine_facts()) benchmark::AddCustomContext(key, value);
  benchmark::AddCustomContext("attnbench_schema", "1");
  benchmark::AddCustomContext("seed", std::to_string(origin.source().seed));
  if (origin.file() != nullptr) {
    benchmark::AddCustomContext("tensors", origin.file()->name());
    if (const std::string dtype = origin.tensors_dtype(); !dtype.empty())
      benchmark::AddCustomContext("tensors_dtype", dtype);
    benchmark::AddCustomContext("tensors_hash", origin.file()->hash());
  }
  benchmark::AddCustomContext("plugins", fmt::format("{}", fmt::join(kernels.plugins(), "; ")));
  benchmark::AddCustomContext("plugin_arguments", kernels.arguments());
  for (const auto& [key, value] : flags.context) benchmark::AddCustomContext(key, value);
}

void list_names(const Plan& plan) {
  for (const PlannedCase& planned : plan.cases)
    benchmark::RegisterBenchmark(case_name(planned.c).c_str(), [](benchmark::State&) {})->UseRealTime();
  benchmark::RunSpecifiedBenchmarks(".");
}

std::unique_ptr<benchmark::BenchmarkReporter> reporter_of(const std::string& format, bool tabular, bool color) {
  using Console = benchmark::ConsoleReporter;
  if (format == "json") return std::make_unique<benchmark::JSONReporter>();
  if (format == "csv") return std::make_unique<CsvRows>();
  if (format == "console")
    return std::make_unique<Console>(
        static_cast<Console::OutputOptions>((tabular ? Console::OO_Tabular : 0) | (color ? Console::OO_Color : 0)));
  return nullptr;
}

// Google Benchmark's own reporter on a stream of its own, for --benchmark_format and --benchmark_out_format.
struct Forwarded {
  std::optional<OutputFile> out;
  std::ofstream file;
  std::unique_ptr<benchmark::BenchmarkReporter> reporter;  // writes to the file, at its end too
};

Forwarded open_forwarded(const BenchmarkFlags& flags) {
  Forwarded forwarded;
  if (flags.out_format != "json" && !flags.out.empty()) {
    if (!flags.format.empty())
      throw UsageError("--benchmark_format and --benchmark_out_format other than json do not go together");
    forwarded.out.emplace(flags.out);
    forwarded.file.open(forwarded.out->path_to_open());
    if (!forwarded.file) throw UsageError(fmt::format("cannot write {}: {}", flags.out, std::strerror(errno)));
    forwarded.reporter = reporter_of(flags.out_format, flags.tabular, false);
    forwarded.reporter->SetOutputStream(&forwarded.file);
    forwarded.reporter->SetErrorStream(&forwarded.file);
  } else {
    forwarded.reporter = reporter_of(flags.format, flags.tabular, wants_color(flags));
  }
  return forwarded;
}

void initialize_google_benchmark(const BenchmarkFlags& flags) {
  static std::string program = "attnbench";  // Google Benchmark keeps the pointer
  // Against those of the environment, too: what they would do is done here.
  std::vector<std::string> words = {"--benchmark_out=",
                                    "--benchmark_filter=",
                                    "--benchmark_min_warmup_time=0",
                                    "--benchmark_report_aggregates_only=false",
                                    "--benchmark_display_aggregates_only=false",
                                    "--benchmark_enable_random_interleaving=false"};
  words.insert(words.end(), flags.passed_on.begin(), flags.passed_on.end());
  std::vector<char*> argv = {program.data()};
  for (std::string& word : words) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  benchmark::Initialize(&argc, argv.data());
  if (argc > 1)
    throw UsageError(fmt::format("{} is no flag of Google Benchmark {}, or its value is not valid", argv[1],
                                 ATTN_BENCHMARK_VERSION));
}

// What is shown when all is measured, beside the result file.
struct Outputs {
  std::optional<OutputFile> markdown, csv;
  EarlierRun earlier;

  void write(const Json& document) {
    if (markdown) markdown->write(as_markdown(document));
    if (csv) csv->write(as_csv(document));
  }
};

// Opened before anything is measured. Throws UsageError.
Outputs open_outputs(const Options& options, const std::string& result_file) {
  std::set<std::string> paths;
  if (!result_file.empty()) paths.insert(std::filesystem::absolute(result_file).lexically_normal());
  const auto open = [&](const char* option, const std::string& path, std::optional<OutputFile>& file) {
    if (path.empty()) return;
    if (!paths.insert(std::filesystem::absolute(path).lexically_normal()).second)
      throw UsageError(fmt::format("{} {}: another output of this run goes there", option, path));
    file.emplace(path);
  };
  Outputs outputs;
  open("--export-markdown", options.markdown, outputs.markdown);
  open("--export-csv", options.csv, outputs.csv);
  if (!options.cases.sweeps.empty() && !options.resume)
    outputs.earlier = last_run(result_file, join_names(options.cases.sweeps));
  return outputs;
}

void print_table(const ResultFile& file, const RunReporter& reporter, const Outputs& outputs, bool color) {
  const TableStyle style{.columns = window_columns(STDOUT_FILENO), .color = color};
  put("{}{}", format_table(file.document(), reporter.skipped(), style),
      changes_text(file.document(), outputs.earlier, style.columns));
}

int measure_all(const InputOrigin& origin, const Kernels& kernels, const BenchmarkFlags& flags, const Limits& limits,
                const Plan& plan, ResultFile& file, Outputs& outputs, Watchdog& watchdog) {
  initialize_google_benchmark(flags);
  if (flags.list_only) return list_names(plan), kExitGood;
  Forwarded forwarded = open_forwarded(flags);
  Workbench workbench(origin.source());
  Progress progress(plan.cases);
  RunReporter reporter(file, progress, plan.skipped, forwarded.reporter.get(), flags.aggregates);
  Session session{kernels,
                  workbench,
                  progress,
                  file,
                  reporter,
                  limits.passes(),
                  flags.warmup_seconds,
                  limits.budget_seconds,
                  flags.time_unit,
                  watchdog};
  add_context(flags, origin, kernels);
  if (flags.format.empty()) put("{}\n", wrapped(run_header(origin.source().seed), window_columns(STDOUT_FILENO), 2));
  std::fflush(stdout);
  if (limits.budget_seconds > 0)
    say("{} cases, about {:.0f} s of a budget of {:g} s\n", plan.cases.size(), plan.total_seconds,
        limits.budget_seconds);
  reporter.begin(plan.cases, ceilings_of(plan));
  for (const std::vector<PlannedCase>& group : groups_of(plan.cases)) measure_group(group, session);
  reporter.end();
  benchmark::Shutdown();
  if (!reporter.file_error().empty()) throw EnvironmentError(reporter.file_error());
  if (forwarded.file.is_open() && !forwarded.file.flush())
    throw EnvironmentError(fmt::format("cannot write {}: {}", flags.out, std::strerror(errno)));
  if (flags.format.empty()) print_table(file, reporter, outputs, wants_color(flags));
  std::fflush(stdout);  // in a file with both, the table comes whole
  file.complete();
  outputs.write(file.document());
  if (!file.path().empty()) say("Results: {}\n", printable(file.path()));
  if (interrupted()) return kExitInterrupted;
  return file.failures() == 0 ? kExitGood : kExitWrong;
}

int run(const Options& options, const Context& context) {
  if (options.cases.sweeps.empty() && !options.cases.names_problems() && options.inputs.tensors.empty())
    throw UsageError(
        "nothing to run: name --sweep, --problem, --axis or --tensors; example: attnbench run --sweep quick");
  std::vector<std::string> given = benchmark_flags_of_environment();
  given.insert(given.end(), context.benchmark_flags.begin(), context.benchmark_flags.end());
  BenchmarkFlags flags = parse_benchmark_flags(given);
  if (flags.repetitions == 0)
    for (const std::string& name : options.cases.sweeps)
      flags.repetitions = std::max(flags.repetitions, load_sweep(name).repetitions);
  const InputOrigin origin(options.inputs);
  const Limits limits = limits_of(options, flags);
  KernelOptions wanted = options.kernels;
  wanted.peers = wanted.peers || wants_peers(options.cases.sweeps);
  const Kernels kernels(context.table, wanted, origin);
  Cases cases = expand_cases(options.cases, kernels.table(), "1", kernels.guests(), origin.file());
  apply_filter(cases, flags.filter);

  const std::string path = options.record ? record_path(options, flags) : flags.out;
  Outputs outputs = open_outputs(options, path);
  ResultFile file(flags.out_format == "json" ? path : "");
  const bool measures = !options.dry_run && !flags.list_only;
  if (measures) file.take_journal();
  if (options.resume) {
    file.resume(identity(origin, kernels));
    std::erase_if(cases.run, [&](const Case& c) { return file.finished().count(case_name(c)) > 0; });
  }
  Watchdog watchdog(options.kernels.hang_seconds);
  FirstContact contact(kernels);
  const Plan plan = make_plan(cases, limits, &kernels, flags.list_only ? nullptr : &contact);
  if (plan.cases.empty() && file.finished().empty())
    throw UsageError("no case can be run:" + format_skipped(plan.skipped));
  if (options.dry_run) return print_plan(plan, limits), kExitGood;
  return measure_all(origin, kernels, flags, limits, plan, file, outputs, watchdog);
}

}  // namespace

Command add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "check, time and report; takes every Google Benchmark flag as well");
  auto options = std::make_shared<Options>();
  add_case_options(*command, options->cases);
  add_best_option(*command, options->cases);
  add_kernel_options(*command, options->kernels, true);
  add_input_options(*command, options->inputs);
  command
      ->add_option("--max-case-seconds", options->max_case_seconds,
                   "skip cases of which one iteration is predicted to take longer")
      ->check(positive())
      ->capture_default_str();
  command->add_flag("--resume", options->resume, "go on with the run that wrote --benchmark_out");
  command->add_flag("--dry-run", options->dry_run, "print the plan with predicted times, run nothing");
  command->add_flag("--record", options->record, "write to results/<machine>/ under the date, revision and sweep");
  command->add_option("--export-markdown", options->markdown, "write the table to this file, as Markdown");
  command->add_option("--export-csv", options->csv,
                      "write the rows to this file, as CSV with a column for every key of a problem");
  command->footer(
      "examples:\n"
      "  attnbench run --sweep quick --benchmark_out=quick.json\n"
      "  attnbench run --problem h:12/q:1024/d:64/mask:causal --variants 'flash,lazy_.*' --threads 1,2\n"
      "  attnbench run --problem d:64/mask:causal --axis q=128:4096:x2 --axis h=1,8,32\n"
      "  attnbench run --problem h:32/hkv:8/d:128 --depth 512:32768:x2 --export-csv decode.csv\n\n"
      "flags of Google Benchmark, among others:\n"
      "  --benchmark_out=FILE            the result file; --benchmark_out_format=json|csv|console\n"
      "  --benchmark_format=FORMAT       json, csv or console instead of the table\n"
      "  --benchmark_filter=REGEX        of the full names of rows; a leading - negates\n"
      "  --benchmark_min_time=SECONDS    of each case, over all its passes; default: the sweep's, else 0.5\n"
      "  --benchmark_repetitions=N       so many passes, each of the minimum time; default: up to 15 that share it\n"
      "  --benchmark_min_warmup_time=S   calls before a case's first pass; default: 0\n"
      "  --benchmark_list_tests          names only\n"
      "  --benchmark_context=KEY=VALUE   into the result file\n\n"
      "exit codes: 0 good, 1 a wrong result or a case that could not be measured, 2 usage, 3 environment, 130 "
      "interrupted");
  return [options](const Context& context) { return run(*options, context); };
}

}  // namespace attn::bench
