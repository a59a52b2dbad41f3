// attnbench explain: what binds a case, and how it differs from another: roofs, what the CPU counted per visible pair,
// workspace and traffic.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/option_checks.hpp"
#include "base/quantities.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/window.hpp"
#include "commands/commands.hpp"
#include "commands/side_case.hpp"
#include "gate/contenders.hpp"
#include "machine/ceilings.hpp"
#include "machine/machine.hpp"
#include "measure/passes.hpp"
#include "registry.hpp"
#include "results/roofs.hpp"
#include "results/table.hpp"
#include "workers/kernels.hpp"

namespace attn::bench {
namespace {

struct Options {
  std::string a, b, json;
  SideOptions sides;
  KernelOptions kernels{.isolate = true};
  std::uint64_t seed = 1;
  double seconds = 0.5;
};

constexpr int kTurns = 7;
constexpr double kSecondsPerCeiling = 0.05, kMostCallSeconds = 10;

// A case, and what was found of it.
struct Explained {
  Case c;
  double call_seconds = 0;  // as predicted
  std::vector<Measurement> turns = {};
  std::vector<Counted> counted = {};
  std::int64_t calls = 1;  // of a turn, and of what was counted
  Json row = Json::object(), ceilings = Json::array();
  std::vector<Roof> roofs = {};

  std::string name() const { return case_name(c); }
  double seconds() const { return static_cast<double>(flops(c.workload)) / row.at("flops").get<double>(); }
  const Problem& problem() const { return c.workload.problem; }
  // Of all heads and batches.
  double pairs() const {
    return static_cast<double>(visible_pairs(problem())) * static_cast<double>(problem().batch * problem().heads);
  }
  // The turn of median time.
  const Measurement& median() const {
    std::vector<const Measurement*> order;
    for (const Measurement& m : turns) order.push_back(&m);
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2);
    std::nth_element(order.begin(), middle, order.end(),
                     [](const auto* a, const auto* b) { return a->wall_seconds < b->wall_seconds; });
    return **middle;
  }
};

Explained chosen(const char* which, const std::string& text, const Options& options, const Kernels& kernels) {
  Explained side{.c = side_case(which, text, options.sides, kernels.table())};
  if (side.c.workload.is_layer()) throw UsageError("explain knows attention, no layers");
  const Worker::Prediction told = kernels.predict(side.c);
  throw_if_interrupted();
  if (told.failure) throw EnvironmentError(fmt::format("{} cannot be explained: {}", which, told.failure.text));
  if (!told.refused.empty()) throw UsageError(fmt::format("{} cannot be explained: {}", which, told.refused));
  if (told.flops_per_second > 0)
    side.call_seconds = static_cast<double>(flops(side.c.workload)) / told.flops_per_second;
  if (side.call_seconds > kMostCallSeconds)
    throw UsageError(fmt::format("{} cannot be explained: a call of it takes about {}, {:g} s are the most", which,
                                 time_text(side.call_seconds), kMostCallSeconds));
  side.calls = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(options.seconds / kTurns / std::max(side.call_seconds, 1e-7)));
  return side;
}

// Throws CaseFailed.
void measure(std::vector<Explained>& sides, const Kernels& kernels) {
  const auto ask = [&](Explained& side, auto&& request) {
    throw_if_interrupted();
    try {
      return request(*kernels.worker_of(side.c));
    } catch (const WorkerError& error) {
      throw_if_interrupted();
      throw CaseFailed({error.reason, fmt::format("{}: its worker {}", short_name(side.name()), error.what())});
    }
  };
  const auto require = [](const Explained& side, const CaseVerdict& verdict) {
    if (!verdict.passed)
      throw CaseFailed({verdict.why().reason, fmt::format("{}: {}", short_name(side.name()), verdict.why().text)});
  };
  for (Explained& side : sides)
    require(side, ask(side, [&](Worker& worker) { return worker.prepare(side.name(), side.call_seconds).verdict; }));
  for (int turn = 0; turn < kTurns; ++turn)
    for (Explained& side : sides) {
      side.turns.push_back(ask(side, [&](Worker& worker) {
        return worker.measure_with_ceilings(side.name(), side.calls, side.call_seconds);
      }));
      require(side, side.turns.back().verdict);
    }
  for (Explained& side : sides)
    side.counted = ask(side, [&](Worker& worker) { return worker.count(side.name(), side.calls, side.call_seconds); });
}

void judge(Explained& side, const Surroundings& around, ReadGround& ground) {
  const Measurement& m = side.median();
  const PeakUnit& unit = fastest_unit(side.c, side.turns);
  side.row = {{"name", side.name()},
              {"flops", static_cast<double>(flops(side.c.workload)) * static_cast<double>(side.calls) / m.wall_seconds},
              {"peak_unit", unit.name}};
  if (const auto share = &unit == &kFma ? m.pct_fma_peak : m.pct_own_peak) side.row["pct_peak"] = *share;
  if (m.pct_fma_peak) side.row["pct_fma_peak"] = *m.pct_fma_peak;
  if (m.pct_bandwidth) side.row["pct_bandwidth"] = *m.pct_bandwidth;
  side.ceilings.push_back(
      to_json(measure_ceilings(isa_of(*side.c.variant), side.c.threads, kSecondsPerCeiling, around, ground)));
  side.roofs = roofs_of(parse_case_name(side.name()), side.row, side.ceilings);
  add_roofs(side.row, side.ceilings);
}

// A line of the answer: a figure of each side, and how they compare.
struct Line {
  std::string what;
  std::array<std::optional<double>, 2> figures;
  std::string (*text)(double);
  bool compared = true;
};

std::optional<double> counted(const Explained& side, const std::string& name) {
  for (const Counted& c : side.counted)
    if (c.name == name && c.reason.empty()) return c.value / static_cast<double>(side.calls) / side.pairs();
  return std::nullopt;
}

std::string percent_text(double value) { return fmt::format("{:.1f} %", value); }
std::string three_digits(double value) { return fmt::format("{:.3g}", value); }
std::string bytes_of_double(double value) { return bytes_text(static_cast<std::int64_t>(value)); }

std::vector<Line> lines_of(const std::vector<Explained>& sides) {
  std::vector<Line> lines;
  const auto add = [&](std::string what, auto&& figure, std::string (*text)(double), bool compared = true) {
    Line line{std::move(what), {}, text, compared};
    for (std::size_t i = 0; i < sides.size(); ++i) line.figures[i] = figure(sides[i]);
    if (line.figures[0] || line.figures[1]) lines.push_back(std::move(line));
  };
  using Figure = std::optional<double>;
  add(
      "time of a call", [](const Explained& s) { return Figure(s.seconds()); }, time_text);
  add(
      "GFLOP/s", [](const Explained& s) { return Figure(s.row.at("flops").get<double>() / 1e9); },
      [](double x) { return fmt::format("{:.1f}", x); });
  std::vector<std::string> roofs;
  for (const Explained& side : sides)
    for (const Roof& roof : side.roofs)
      if (std::ranges::find(roofs, roof.name) == roofs.end()) roofs.push_back(roof.name);
  for (const std::string& roof : roofs)
    add(
        "roof: " + roof,
        [&](const Explained& s) {
          const auto found = std::ranges::find(s.roofs, roof, &Roof::name);
          return found == s.roofs.end() ? Figure() : Figure(found->percent);
        },
        percent_text, false);
  add(
      "visible pairs", [](const Explained& s) { return Figure(s.pairs()); }, count_text);
  add(
      "time per pair", [](const Explained& s) { return Figure(s.seconds() / s.pairs()); },
      [](double x) { return fmt::format("{:.3g} ns", 1e9 * x); });
  for (const CounterKind& kind : hardware_counters())
    add(
        fmt::format("{} per pair", kind.name), [&](const Explained& s) { return counted(s, kind.name); }, three_digits);
  add(
      "tensors, once", [](const Explained& s) { return Figure(static_cast<double>(minimal_bytes(s.problem()))); },
      bytes_of_double);
  add(
      "workspace", [](const Explained& s) { return Figure(static_cast<double>(s.median().workspace_bytes)); },
      bytes_of_double);
  add(
      "error", [](const Explained& s) { return Figure(s.median().verdict.max_scaled_err); },
      [](double x) { return fmt::format("{:.0e}", x); }, false);
  return lines;
}

// Of counters that some side has not, as a peer in a process of its own may not.
std::string not_countable(const std::vector<Explained>& sides) {
  std::map<std::string, std::set<std::string>> by_reason;
  for (const Explained& side : sides)
    for (const Counted& c : side.counted)
      if (!c.reason.empty()) by_reason[c.reason].insert(c.name);
  std::string text;
  for (const auto& [reason, names] : by_reason)
    text += wrapped(fmt::format("not countable: {}: {}", fmt::join(names, ", "), reason), window_columns(STDOUT_FILENO),
                    2) +
            "\n";
  return text;
}

// "bound by fma (84 %)"
std::string binds_text(const Explained& side) {
  constexpr double kFar = 50;
  if (side.roofs.empty()) return "nothing was measured that could bind it";
  const Roof& nearest = side.roofs.front();
  return fmt::format("{} {} ({:.0f} %)", nearest.percent < kFar ? "far from its roofs, the nearest is" : "bound by",
                     nearest.name, nearest.percent);
}

void print(const std::vector<Explained>& sides) {
  for (std::size_t i = 0; i < sides.size(); ++i)
    put("{}{}: {}\n", sides.size() > 1 ? (i == 0 ? "A  " : "B  ") : "", short_name(sides[i].name()),
        binds_text(sides[i]));
  put("\n");
  if (sides.size() > 1) put("{:<34}{:>14}{:>14}{:>10}\n", "", "A", "B", "B / A");
  for (const Line& line : lines_of(sides)) {
    std::string text = fmt::format("{:<34}", line.what);
    for (std::size_t i = 0; i < sides.size(); ++i)
      text += fmt::format("{:>14}", line.figures[i] ? line.text(*line.figures[i]) : "-");
    if (sides.size() > 1 && line.compared && line.figures[0].value_or(0) > 0 && line.figures[1])
      text += fmt::format("{:>10.3g}", *line.figures[1] / *line.figures[0]);
    put("{}\n", text);
  }
  put("\nA roof is the least time that a call can take by one ceiling, over the time taken.\n{}", not_countable(sides));
}

Json as_json(const std::vector<Explained>& sides) {
  Json all = Json::array();
  for (const Explained& side : sides) {
    Json json = side.row;
    json["seconds"] = side.seconds();
    json["visible_pairs"] = side.pairs();
    json["bytes"] = minimal_bytes(side.problem());
    json["workspace_bytes"] = side.median().workspace_bytes;
    json["max_scaled_err"] = side.median().verdict.max_scaled_err;
    json["ceilings"] = side.ceilings;
    for (const Counted& c : side.counted) {
      Json& counter = json["counters"][c.name];
      if (c.reason.empty())
        counter = {{"per_call", c.value / static_cast<double>(side.calls)},
                   {"per_pair", c.value / static_cast<double>(side.calls) / side.pairs()}};
      else
        counter = {{"not_countable", c.reason}};
    }
    all.push_back(std::move(json));
  }
  return {{"context", machine_facts()}, {"cases", all}};
}

int explain(const Options& options, const Context& context) {
  if (!context.benchmark_flags.empty())
    throw UsageError(fmt::format("explain times in its own way: {} belongs to run", context.benchmark_flags.front()));
  std::optional<OutputFile> json;
  if (!options.json.empty()) json.emplace(options.json);
  const InputOrigin origin(InputOptions{.seed = options.seed, .tensors = {}});
  KernelOptions kernel_options = options.kernels;
  kernel_options.isolate = true;
  const Kernels kernels(context.table, kernel_options, origin);
  std::vector<Explained> sides = {chosen("A", options.a, options, kernels)};
  if (!options.b.empty()) sides.push_back(chosen("B", options.b, options, kernels));
  std::vector<std::string> names;
  for (const Explained& side : sides) names.push_back(side.name());
  if (names.size() > 1 && names[0] == names[1])
    throw UsageError(fmt::format("A and B are the same case, {}", short_name(names[0])));
  gate::require_memory(names, 1);
  try {
    measure(sides, kernels);
  } catch (const CaseFailed& failed) {
    say("FAILED {}\n", failed.failure.text);
    return kExitWrong;
  }
  const Surroundings around{.available_bytes = available_bytes()};
  ReadGround ground;
  for (Explained& side : sides) judge(side, around, ground);
  print(sides);
  if (json) json->write(json_text(as_json(sides)));
  return interrupted() ? kExitInterrupted : kExitGood;
}

}  // namespace

Command add_explain(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "explain", "what binds a case: roofs, counters per visible pair, traffic; and against a second case");
  auto options = std::make_shared<Options>();
  command
      ->add_option("A", options->a, std::string(kSideForm) + ", such as flash, flash/avx2, flash@2, flash/dtype:bf16")
      ->required();
  command->add_option("B", options->b, "the same of another, to be put beside it");
  add_side_options(*command, options->sides);
  command->add_option("--plugin", options->kernels.plugins,
                      "a shared library of kernels, see src/attn_plugin.h; may be repeated");
  command->add_flag("--peers", options->kernels.peers, "the libraries that were built, too");
  command->add_option("--seconds", options->seconds, "of timed calls, for each case")
      ->check(in_range(0.001, 600.0))
      ->capture_default_str();
  command->add_option("--json", options->json, "write all of it to this file");
  command->add_option("--seed", options->seed, "of the inputs")->capture_default_str();
  command
      ->add_option("--hang-seconds", options->kernels.hang_seconds, "without an answer, until a worker counts as hung")
      ->check(positive())
      ->capture_default_str();
  return [options](const Context& context) { return explain(*options, context); };
}

}  // namespace attn::bench
