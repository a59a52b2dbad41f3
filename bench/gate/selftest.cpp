// attnbench gate selftest: how often the gate cries wolf, and how often it finds what is there, on the simulated machine
// or on a recorded trace of equal builds. tools/selftest adds what it does live.
#include "gate/selftest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/durable_file.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "gate/simulated.hpp"
#include "gate/trace.hpp"

namespace attn::bench::gate {
namespace {

constexpr std::array kSlowdowns = {1.0, 1.03, 1.05, 1.10};

struct Tally {
  double slowdown = 1;
  int runs = 0, found = 0, false_alarms = 0, environment = 0, inconclusive = 0;
  std::vector<double> sizes, seconds;
};

std::vector<Pairing> pairings_of(const std::vector<std::string>& names) {
  std::vector<Pairing> pairings;
  for (const std::string& name : names) pairings.push_back({name, name, name});
  return pairings;
}

// `slower`: the one case that is.
void add(Tally& tally, const Report& report, const std::string& slower) {
  ++tally.runs;
  tally.environment += !report.failure.empty();
  tally.seconds.push_back(report.seconds);
  bool false_alarm = report.suite_judgement.verdict == Verdict::regressed, open = false;
  for (const CaseReport& c : report.cases) {
    const bool regressed = c.judgement.verdict == Verdict::regressed;
    const bool planted = tally.slowdown > 1 && c.pairing.label == slower;
    false_alarm |= regressed && !planted;
    open |= c.judgement.verdict == Verdict::inconclusive;
    if (regressed && planted) {
      ++tally.found;
      tally.sizes.push_back(std::exp(c.judgement.size));
    }
  }
  tally.false_alarms += false_alarm;
  tally.inconclusive += open;
}

// Runs the gate `runs` times for each slowdown of one case. `simulate(case, slowdown, seed)` is one run.
template <class Simulate>
std::vector<Tally> try_all(const std::vector<std::string>& cases, int runs, const Simulate& simulate) {
  std::vector<Tally> tallies;
  for (const double slowdown : kSlowdowns) {
    Tally tally{.slowdown = slowdown};
    for (int run = 0; run < runs && !interrupted(); ++run) {
      const std::string& slower = cases[static_cast<std::size_t>(run) % cases.size()];
      add(tally, simulate(slower, slowdown, static_cast<std::uint64_t>(run) + 1), slower);
    }
    tallies.push_back(std::move(tally));
  }
  return tallies;
}

Report simulate(const std::vector<std::string>& cases, const std::string& slower, double slowdown, std::uint64_t seed) {
  SimulatedMachine machine({}, seed);
  const auto base = machine.add("base", cases, {}), copy = machine.add("copy of the base", cases, {}),
             candidate = machine.add("candidate", cases, {.slower = {{slower, slowdown}}});
  const Arena arena{*base, *candidate, *copy, [&] { return machine.seconds(); }, interrupted};
  Observer observer;
  return run_gate(arena, pairings_of(cases), {.seed = seed}, observer);
}

Report replay(const Trace& trace, const std::string& slower, double slowdown, std::uint64_t seed) {
  ReplayMachine machine(trace, seed);
  const auto base = machine.add(true, {}), copy = machine.add(false, {}),
             candidate = machine.add(false, {{slower, slowdown}});
  const Arena arena{*base, *candidate, *copy, [&] { return machine.seconds(); }, interrupted};
  Observer observer;
  return run_gate(arena, pairings_of(trace.cases), {.seed = seed, .turns = machine.turns()}, observer);
}

double middle(const std::vector<double>& values) { return values.empty() ? 0 : median_of(values); }

void print(const std::string& title, const std::vector<Tally>& tallies) {
  put("{}\n{:>10} {:>6} {:>12} {:>8} {:>12} {:>13} {:>9} {:>9}\n", title, "slower by", "runs", "false alarms", "found",
      "environment", "inconclusive", "size", "seconds");
  for (const Tally& t : tallies)
    put("{:>8.0f} % {:>6} {:>12} {:>8} {:>12} {:>13} {:>9} {:>9.0f}\n", 100 * (t.slowdown - 1), t.runs, t.false_alarms,
        t.slowdown > 1 ? std::to_string(t.found) : "-", t.environment, t.inconclusive,
        t.sizes.empty() ? "-" : fmt::format("{:+.2f} %", 100 * (middle(t.sizes) - 1)), middle(t.seconds));
  put("\n");
}

Json as_json(const std::vector<Tally>& tallies) {
  Json rows = Json::array();
  for (const Tally& t : tallies)
    rows.push_back({{"slowdown", t.slowdown},
                    {"runs", t.runs},
                    {"false_alarms", t.false_alarms},
                    {"found", t.found},
                    {"environment", t.environment},
                    {"inconclusive", t.inconclusive},
                    {"median_size", middle(t.sizes)},
                    {"median_seconds", middle(t.seconds)}});
  return rows;
}

}  // namespace

void add_selftest_options(CLI::App& command, SelftestOptions& options) {
  command.add_option("--runs", options.runs, "of the gate, for equal builds and for each slowdown")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--cases", options.cases, "of the simulated machine")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--replay", options.traces,
                     "in its place a trace of equal builds, from `gate --rounds N --out FOLDER`; may be repeated");
  command.add_option("--json", options.json, "write the figures to this file");
}

int selftest(const SelftestOptions& options) {
  std::optional<OutputFile> file;
  if (!options.json.empty()) file.emplace(options.json);
  std::vector<Tally> tallies;
  Json json = {{"runs", options.runs}};
  if (options.traces.empty()) {
    std::vector<std::string> cases;
    for (int i = 1; i <= options.cases; ++i) cases.push_back(fmt::format("case {}", i));
    tallies = try_all(cases, options.runs, [&](const std::string& slower, double slowdown, std::uint64_t seed) {
      return simulate(cases, slower, slowdown, seed);
    });
    json["simulated_cases"] = options.cases;
    print("Simulated machine: bursts to half speed, drift, launches that differ by 0.6 %", tallies);
  } else {
    const Trace trace = load_traces(options.traces);
    tallies = try_all(trace.cases, options.runs, [&](const std::string& slower, double slowdown, std::uint64_t seed) {
      return replay(trace, slower, slowdown, seed);
    });
    json["replayed"] = {{"cases", trace.cases.size()}, {"rounds", trace.rounds.size()}};
    print(fmt::format("Replay of {} recorded rounds of {} cases", trace.rounds.size(), trace.cases.size()), tallies);
  }
  if (interrupted()) return kExitInterrupted;
  json["rows"] = as_json(tallies);
  if (file) file->write(json_text(json));
  return kExitGood;
}

}  // namespace attn::bench::gate
