// attnbench compare: which of two variants is faster on a problem, and by how much? Or one variant on two instruction
// sets, with two teams, or in two dtypes, on inputs that are then rounded for each.
#include <fmt/color.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/quantities.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "base/window.hpp"
#include "commands/commands.hpp"
#include "commands/side_case.hpp"
#include "element.hpp"
#include "gate/comparison.hpp"
#include "gate/contenders.hpp"
#include "gate/text.hpp"
#include "machine/machine.hpp"
#include "results/table.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

using namespace gate;

struct Options {
  std::string a, b, json;
  SideOptions sides;
  std::vector<std::string> plugins;
  double limit_percent = 3, alpha = 0.01, max_seconds = 30;
  int rounds = 0;
  WorkerOptions worker;
};

std::string verdict_text(const Comparison& report, const std::string& a, const std::string& b,
                         const Criteria& criteria) {
  switch (report.winner) {
    case Winner::a:
      return fmt::format("A is faster: {} takes {:.3f} times as long as A", b, std::exp(report.size));
    case Winner::b:
      return fmt::format("B is faster: {} takes {:.3f} times as long as B", a, std::exp(-report.size));
    case Winner::neither:
      return fmt::format("equal within {:.3g} %", 100 * std::expm1(criteria.limit));
    case Winner::unknown:
      break;
  }
  return report.detectable ? fmt::format("INCONCLUSIVE: a difference of {:.1f} % would have been seen",
                                         100 * std::expm1(*report.detectable))
                           : "INCONCLUSIVE: too few rounds for any difference";
}

std::string ratio_text(const Comparison& report) {
  if (!std::isfinite(report.interval.low)) return fmt::format("{:.3f}", std::exp(report.size));
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", std::exp(report.size), std::exp(report.interval.low),
                     std::exp(report.interval.high));
}

// On a terminal a line that is rewritten; in a pipe nothing, since the answer is there within seconds.
class Line {
 public:
  void show(const Comparison& report) {
    if (!rewrites_lines(STDERR_FILENO)) return;
    const std::string line =
        fmt::format("round {}: A {}, B {}, B / A {}", report.rounds.size(), time_text(report.a_ns * 1e-9),
                    time_text(report.b_ns * 1e-9), ratio_text(report));
    say("\r\033[K{}", cut(line, window_columns(STDERR_FILENO) - 1));
    shown_ = true;
  }
  ~Line() {
    if (shown_) say("\r\033[K");
  }

 private:
  bool shown_ = false;
};

// What a side is, for a person and for whoever reads the file.
struct SideText {
  std::string name;
  const char* dtype;
  double scaled_error;  // the largest against the fp64 oracle
};

// `tells_dtype`: before the name, in place of the problem's key, which an f32 one leaves out.
SideText side_text(const std::string& name, double scaled_error, bool tells_dtype) {
  CaseName parsed = parse_case_name(name);
  const char* dtype = element_of(parsed.workload.problem.dtype).name;
  if (!tells_dtype) return {short_name(parsed), dtype, scaled_error};
  parsed.workload.problem.dtype = ATTN_F32;
  return {fmt::format("{} {}", dtype, short_name(parsed)), dtype, scaled_error};
}

bool differ_in_dtype(const Pairing& pairing) {
  return parse_case_name(pairing.base_case).workload.problem.dtype !=
         parse_case_name(pairing.candidate_case).workload.problem.dtype;
}

Json as_json(const Comparison& report, const Pairing& pairing, const std::array<SideText, 2>& sides,
             const std::string& failure) {
  constexpr std::array kWinners = {"A", "B", "neither", "unknown"};
  const auto ratio = [](double log_ratio) {
    return std::isfinite(log_ratio) ? Json(std::exp(log_ratio)) : Json(nullptr);
  };
  Json json = {{"A", pairing.base_case},
               {"B", pairing.candidate_case},
               {"a_dtype", sides[0].dtype},
               {"b_dtype", sides[1].dtype},
               {"a_scaled_error", sides[0].scaled_error},
               {"b_scaled_error", sides[1].scaled_error},
               {"a_ns", report.a_ns},
               {"b_ns", report.b_ns},
               {"faster", kWinners[static_cast<std::size_t>(report.winner)]},
               {"ratio", ratio(report.size)},
               {"low", ratio(report.interval.low)},
               {"high", ratio(report.interval.high)},
               {"detectable", report.detectable ? ratio(*report.detectable) : Json(nullptr)},
               {"failure", failure},
               {"seconds", report.seconds},
               {"rounds", Json::array()}};
  for (const double value : report.rounds) json["rounds"].push_back(std::exp(value));
  return json;
}

// Rounds that a winner takes at least, of as many calls on each side: a checked one, and two turns of an untimed and a
// timed one.
constexpr double kLeastRounds = 11, kLeastCalls = 5;

// Both cases, and each in a worker that has its kernel and no other's libraries.
struct Contenders {
  Pairing pairing;
  std::unique_ptr<WorkerSide> a, b;
};

// Chooses from the built-in variants and those of each plugin.
Contenders introduce(const Options& options, std::span<const Variant* const> built_in) {
  const Facts facts = machine_facts();
  require_alike(facts, facts);  // that is: no debug build
  const InputOrigin origin(InputOptions{.seed = options.worker.seed, .tensors = {}});
  const Kernels kernels(
      built_in, {.plugins = options.plugins, .isolate = true, .hang_seconds = options.worker.hang_seconds}, origin);
  const Case a = side_case("A", options.a, options.sides, kernels.table()),
             b = side_case("B", options.b, options.sides, kernels.table());
  Contenders contenders{{"", case_name(a), case_name(b)}, nullptr, nullptr};
  const Pairing& pairing = contenders.pairing;
  if (pairing.base_case == pairing.candidate_case)
    throw UsageError(fmt::format("A and B are the same case, {}", short_name(pairing.base_case)));
  require_memory({pairing.base_case, pairing.candidate_case}, 2);
  const auto settle = [&](const char* which, const Case& c) {
    const Worker::Prediction told = kernels.predict(c);
    throw_if_interrupted();
    if (told.failure) throw EnvironmentError(fmt::format("{} cannot be compared: {}", which, told.failure.text));
    if (const Failure why = why_not_in_turns(told, c.workload, options.max_seconds / (kLeastRounds * kLeastCalls)))
      throw UsageError(
          fmt::format("{} cannot be compared:{}", which, format_skipped({{case_name(c), why.reason, why.text}})));
    return std::make_unique<WorkerSide>(fmt::format("worker of {}", which),
                                        worker_command(kernels.plugin_of(*c.variant), c.workload.is_layer()),
                                        options.worker);
  };
  contenders.a = settle("A", a);
  contenders.b = settle("B", b);
  return contenders;
}

void print(const Comparison& report, const Pairing& pairing, const std::array<SideText, 2>& sides,
           const Criteria& criteria) {
  const auto& [a, b] = sides;
  const bool color = wants_color(STDOUT_FILENO);
  const std::string verdict = verdict_text(report, a.name, b.name, criteria);
  put("A      {:>9}  error {:.0e}  {}\nB      {:>9}  error {:.0e}  {}\nB / A  {}{}, {} rounds in {:.1f} s{}\n",
      time_text(report.a_ns * 1e-9), a.scaled_error, a.name, time_text(report.b_ns * 1e-9), b.scaled_error, b.name,
      ratio_text(report), std::isfinite(report.interval.low) ? " with 90 %" : "", report.rounds.size(), report.seconds,
      report.dropped > 0 ? fmt::format(", {} blocks dropped", report.dropped) : "");
  if (differ_in_dtype(pairing))
    put("The inputs are those of one seed, rounded to {} for A and to {} for B; each error is of its own inputs.\n",
        a.dtype, b.dtype);
  put("{}\n", color ? fmt::format(fmt::emphasis::bold, "{}", verdict) : verdict);
  std::fflush(stdout);
}

int compare(const Options& options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("compare times in its own way: {} belongs to run", context.benchmark_flags.front()));
  options.sides.workload();  // a fault in it is told before anything is started
  std::optional<OutputFile> json;
  if (!options.json.empty()) json.emplace(options.json);
  ComparisonSettings settings{
      .max_seconds = options.max_seconds, .fixed_rounds = options.rounds, .seed = std::random_device{}()};
  settings.criteria.alpha = options.alpha;
  settings.criteria.limit = std::log1p(options.limit_percent / 100);
  Pairing pairing;
  Comparison report;
  std::array<double, 2> scaled_errors{};
  std::string failure;
  try {
    const Contenders contenders = introduce(options, context.table);
    pairing = contenders.pairing;
    const Arena arena{*contenders.a, *contenders.b, *contenders.a, clock_seconds, interrupted};
    Line line;
    report = compare_cases(arena, pairing, settings, [&](const Comparison& so_far) {
      report = so_far;  // kept when a worker ends
      scaled_errors = {contenders.a->scaled_error(pairing.base_case),
                       contenders.b->scaled_error(pairing.candidate_case)};
      line.show(so_far);
    });
  } catch (const WrongResult& error) {
    say("FAILED {}\n", error.what());
    return kExitWrong;
  } catch (const SideFailure& error) {
    // Whoever waits for a worker is woken by the interruption, and takes it for the worker's end.
    if (!interrupted()) failure = fmt::format("{}, after {} rounds", error.what(), report.rounds.size());
  }

  if (!report.rounds.empty()) {
    const bool tells_dtype = differ_in_dtype(pairing);
    const std::array sides = {side_text(pairing.base_case, scaled_errors[0], tells_dtype),
                              side_text(pairing.candidate_case, scaled_errors[1], tells_dtype)};
    print(report, pairing, sides, settings.criteria);
    if (json) json->write(json_text(as_json(report, pairing, sides, failure)));
  }
  if (interrupted()) {
    say("attnbench: interrupted after {} rounds\n", report.rounds.size());
    return kExitInterrupted;
  }
  if (!failure.empty()) throw EnvironmentError(failure);
  return report.winner == Winner::unknown ? kExitInconclusive : kExitGood;
}

}  // namespace

Command add_compare(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("compare", "which of two variants is faster on a problem: ratio with interval, in seconds");
  auto options = std::make_shared<Options>();
  command
      ->add_option("A", options->a, std::string(kSideForm) + ", such as flash, flash/avx2, flash@2, flash/dtype:bf16")
      ->required();
  command->add_option("B", options->b, "the same of the other")->required();
  add_side_options(*command, options->sides);
  command->add_option("--plugin", options->plugins,
                      "a shared library of kernels, see src/attn_plugin.h; may be repeated");
  command->add_option("--limit", options->limit_percent, "percent within which they count as equal")
      ->check(in_range(0.6, 100.0))
      ->capture_default_str();
  command->add_option("--alpha", options->alpha, "probability of naming the wrong one")
      ->check(in_range(1e-6, 0.2))
      ->capture_default_str();
  command->add_option("--max-seconds", options->max_seconds, "then it stays INCONCLUSIVE")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "so many, rather than until the answer is there")
      ->check(CLI::Range(1, kMostSigns));
  command->add_option("--json", options->json, "write the rounds and the answer to this file");
  command->add_option("--seed", options->worker.seed, "of the inputs")->capture_default_str();
  command
      ->add_option("--hang-seconds", options->worker.hang_seconds, "without an answer, until a worker counts as hung")
      ->check(positive())
      ->capture_default_str();
  return [options](const Context& context) { return compare(*options, context); };
}

}  // namespace attn::bench
