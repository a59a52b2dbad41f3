// The gate on a simulated machine: what it finds, what it must not find, and what it says when something breaks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/errors.hpp"
#include "catch.hpp"
#include "gate/gate.hpp"
#include "gate/simulated.hpp"
#include "gate/text.hpp"
#include "support.hpp"

using namespace attn::bench;
using namespace attn::bench::gate;
using attn::test::contains;

namespace {

std::vector<std::string> case_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(fmt::format("case {}", i));
  return names;
}

struct Simulation {
  Noise noise = {};
  int cases = 40;
  SimulatedBuild base = {}, candidate = {};
  Settings settings = {};
  double interrupt_after_seconds = 1e9;
};

Report compare_builds(SimulatedMachine& machine, Side& base, Side& candidate, Side& copy,
                      const std::vector<std::string>& names, const Settings& settings, double interrupt_after = 1e9) {
  const Arena arena{.base = base,
                    .candidate = candidate,
                    .copy = copy,
                    .seconds = [&] { return machine.seconds(); },
                    .interrupted = [&] { return machine.seconds() > interrupt_after; }};
  std::vector<Pairing> pairings;
  for (const std::string& name : names) pairings.push_back({name, name, name});
  Observer observer;
  return run_gate(arena, pairings, settings, observer);
}

Report simulate(const Simulation& simulation, std::uint64_t seed) {
  SimulatedMachine machine(simulation.noise, seed);
  const std::vector<std::string> names = case_names(simulation.cases);
  const auto base = machine.add("base", names, simulation.base);
  const auto candidate = machine.add("candidate", names, simulation.candidate);
  const auto copy = machine.add("copy of base", names, simulation.base);
  Settings settings = simulation.settings;
  settings.seed = seed;
  return compare_builds(machine, *base, *candidate, *copy, names, settings, simulation.interrupt_after_seconds);
}

bool has_regressed(const Report& report) {
  return std::any_of(report.cases.begin(), report.cases.end(),
                     [](const CaseReport& c) { return c.judgement.verdict == Verdict::regressed; });
}

bool has_faster(const Report& report) {
  return std::any_of(report.cases.begin(), report.cases.end(), [](const CaseReport& c) { return c.judgement.faster; });
}

constexpr Noise kQuiet{.chunk = 0.0005,
                       .launch = 0.0005,
                       .process = 0.0005,
                       .drift = 0,
                       .bursts_per_second = 0,
                       .preemptions_per_second = 0};

Chunk chunk_of(double wall_ns) { return {.wall_ns = wall_ns, .cpu_ns = wall_ns}; }

Block block_of(bool base_first, std::array<double, 4> wall_ns) {
  Block block{.base_first = base_first, .chunks = {}};
  for (std::size_t i = 0; i < 4; ++i) block.chunks[i] = chunk_of(wall_ns[i]);
  return block;
}

}  // namespace

TEST_CASE("a round's value is the log ratio, whoever begins", "[gate]") {
  Round round{};
  round.blocks = {block_of(true, {100, 110, 110, 100})};
  finish_round(round);
  CHECK(round.value == Approx(std::log(1.1)));
  round.blocks = {block_of(false, {110, 100, 100, 110})};
  finish_round(round);
  CHECK(round.value == Approx(std::log(1.1)));
}

TEST_CASE("a round's value is of the lower quartiles: what only adds to half of the turns is not the code's",
          "[gate]") {
  Round round{};
  for (int i = 0; i < 8; ++i)
    round.blocks.push_back(i % 2 == 0 ? block_of(true, {100, 110, 190, 170}) : block_of(false, {110, 180, 100, 250}));
  finish_round(round);
  CHECK(round.value == Approx(std::log(1.1)));
  // A side that is slow in most of its turns is slow.
  round.blocks.clear();
  for (int i = 0; i < 8; ++i) round.blocks.push_back(block_of(true, {100, i == 0 ? 100.0 : 110.0, 110, 100}));
  finish_round(round);
  CHECK(round.value == Approx(std::log(1.1)));
}

TEST_CASE("a block is dropped for steal, preemption and page faults, never for its ratio", "[gate]") {
  Block block = block_of(true, {100e6, 900e6, 900e6, 100e6});
  CHECK(!block.is_disturbed());
  block.chunks[2].involuntary_switches = 3;  // that cost nothing
  CHECK(!block.is_disturbed());
  block.chunks[2].cpu_ns = 0.9 * block.chunks[2].wall_ns;
  CHECK(block.is_disturbed());
  block.chunks[2].involuntary_switches = 0;  // it waited by itself
  CHECK(!block.is_disturbed());
  block.chunks[0].page_faults = 10'000;
  CHECK(block.is_disturbed());
  block.chunks[0].page_faults = 0;
  block.chunks[3].steal_ns = 1e7;
  CHECK(block.is_disturbed());
}

TEST_CASE("disturbed blocks do not count in a round, unless most are disturbed", "[gate]") {
  Round round{};
  for (const double candidate : {90.0, 102.0, 102.0, 103.0})
    round.blocks.push_back(block_of(true, {100, candidate, candidate, 100}));
  finish_round(round);
  CHECK(round.value == Approx(std::log(0.9)));
  CHECK(round.dropped == 0);
  round.blocks[0].chunks[0].steal_ns = 1;
  finish_round(round);
  CHECK(round.value == Approx(std::log(1.02)));
  CHECK(round.dropped == 1);
  for (Block& block : round.blocks) block.chunks[1].steal_ns = 1;
  finish_round(round);
  CHECK(round.value == Approx(std::log(0.9)));
  CHECK(round.dropped == 0);
}

TEST_CASE("a round measures disturbed blocks again, up to twice as many", "[gate]") {
  SimulatedMachine machine({.preemptions_per_second = 1e9}, 1);
  const auto base = machine.add("base", {"a"}, {}), candidate = machine.add("candidate", {"a"}, {});
  for (Side* side : {base.get(), candidate.get()}) {
    side->launch(1);
    side->prep("a");
  }
  Random random(1);
  const Round round = measure_round(*base, *candidate, {"a", "a", "a"}, 10, 4, random);
  CHECK(round.blocks.size() == 8);
  CHECK(round.dropped == 0);
  CHECK(std::any_of(round.blocks.begin(), round.blocks.end(), [](const Block& b) { return b.base_first; }));
  CHECK(std::any_of(round.blocks.begin(), round.blocks.end(), [](const Block& b) { return !b.base_first; }));
}

TEST_CASE("chunks are calibrated to their length, and to one iteration where that is longer", "[gate]") {
  SimulatedMachine machine(kQuiet, 1);  // an iteration takes 2.5 ms
  const auto side = machine.add("base", {"a"}, {});
  side->launch(1);
  side->prep("a");
  CHECK(calibrate(*side, "a", 25e6).iterations == Approx(10).margin(1));
  CHECK(calibrate(*side, "a", 1e9).iterations == Approx(400).margin(10));
  const Turn longer = calibrate(*side, "a", 1e6);
  CHECK(longer.iterations == 1);
  CHECK(longer.chunk_ns == Approx(2.5e6).epsilon(0.01));
}

TEST_CASE("blocks fill a round, and a round has one at least", "[gate]") {
  CHECK(blocks_for(60e6, {.iterations = 10, .chunk_ns = 2e6}) == 7);
  CHECK(blocks_for(60e6, {.iterations = 1, .chunk_ns = 25e6}) == 1);
}

TEST_CASE("equal builds on a noisy machine: no false alarm, and it is over in time", "[gate]") {
  std::vector<double> seconds;
  int false_alarms = 0, false_praise = 0, passed = 0;
  constexpr int kRuns = 200;
  for (int run = 1; run <= kRuns; ++run) {
    const Report report = simulate({}, run);
    CAPTURE(run, report.failure);
    CHECK(report.failure.empty());
    false_alarms += outcome_of(report) == Outcome::regressed;
    passed += outcome_of(report) == Outcome::passed;
    false_praise += has_faster(report);
    seconds.push_back(report.seconds);
  }
  CHECK(false_alarms <= 1);  // the promise is 5 of 1000
  CHECK(false_praise <= 1);
  CHECK(passed >= kRuns * 95 / 100);
  CHECK(median_of(seconds) <= 110);
}

TEST_CASE("a slower case is found, with its size, and the other cases stay PROVEN", "[gate]") {
  const auto [factor, runs, least] =
      GENERATE(table<double, int, int>({{1.10, 40, 40}, {1.05, 40, 39}, {1.03, 40, 34}}));
  int found = 0, false_alarms = 0;
  std::vector<double> sizes;
  for (int run = 1; run <= runs; ++run) {
    Simulation simulation;
    simulation.candidate.slower["case 7"] = factor;
    const Report report = simulate(simulation, run);
    for (const CaseReport& c : report.cases)
      if (c.judgement.verdict == Verdict::regressed) ++(c.pairing.label == "case 7" ? found : false_alarms);
    if (report.cases[7].judgement.verdict == Verdict::regressed) {
      CHECK(outcome_of(report) == Outcome::regressed);
      CHECK(report.cases[7].judgement.interval.low > 0);
      sizes.push_back(std::exp(report.cases[7].judgement.size));
    }
  }
  CAPTURE(factor);
  CHECK(found >= least);
  CHECK(false_alarms == 0);
  CHECK(median_of(sizes) == Approx(factor).margin(0.01));
}

TEST_CASE("a build that is 1 % slower everywhere is found as a suite, one that is as fast is not", "[gate]") {
  int found = 0;
  for (int run = 1; run <= 20; ++run) {
    Simulation simulation;
    simulation.candidate.slower_everywhere = 1.01;
    found += simulate(simulation, run).suite_judgement.verdict == Verdict::regressed;
    CHECK(simulate({}, run).suite_judgement.verdict != Verdict::regressed);
  }
  CHECK(found >= 18);
}

TEST_CASE("one much slower case is no slower suite", "[gate]") {
  Simulation simulation;
  simulation.candidate.slower["case 7"] = 2;
  const Report report = simulate(simulation, 1);
  CHECK(report.suite_judgement.verdict != Verdict::regressed);
  CHECK(report.cases[7].judgement.verdict == Verdict::regressed);
}

TEST_CASE("a faster build passes and shows by how much", "[gate]") {
  Simulation simulation;
  simulation.candidate.slower_everywhere = 1 / 1.08;
  const Report report = simulate(simulation, 1);
  CHECK(outcome_of(report) == Outcome::passed);
  CHECK(std::exp(report.cases[0].judgement.size) == Approx(1 / 1.08).margin(0.02));
  for (const CaseReport& c : report.cases) CHECK(verdict_text(c) == "PROVEN, faster");
}

TEST_CASE("cases that cannot be decided in time are INCONCLUSIVE, with the effect that would have been seen",
          "[gate]") {
  Simulation simulation{.noise = {.launch = 0.2}, .cases = 3, .settings = {.max_seconds = 30}};
  const Report report = simulate(simulation, 1);
  CHECK(report.out_of_time);
  CHECK(outcome_of(report) == Outcome::inconclusive);
  CHECK(exit_code(outcome_of(report), false) == kExitInconclusive);
  CHECK(exit_code(outcome_of(report), true) == kExitGood);
  for (const CaseReport& c : report.cases)
    if (c.judgement.verdict == Verdict::inconclusive) CHECK(c.judgement.detectable.value_or(1) > 0.03);
  CHECK(report.seconds <= 35);
}

TEST_CASE("a case that scatters by 5 % is mostly decided, one that scatters by half is given up", "[gate]") {
  int proven = 0, found = 0;
  for (int run = 1; run <= 40; ++run) {
    Simulation simulation{.noise = kQuiet, .cases = 1, .settings = {.max_seconds = 1e6}};
    simulation.noise.launch = 0.05 / std::sqrt(2);  // of each side
    proven += outcome_of(simulate(simulation, run)) == Outcome::passed;
    simulation.candidate.slower["case 0"] = 1.05;
    found += outcome_of(simulate(simulation, run)) == Outcome::regressed;
    simulation.noise.launch = 0.5 / std::sqrt(2);
    const Report report = simulate(simulation, run);
    CHECK(report.cases[0].rounds().size() <= 60);
    CHECK(!report.out_of_time);
    if (outcome_of(report) == Outcome::inconclusive)
      CHECK(contains(headline(report), "neither proven nor slower after up to 60 rounds"));
  }
  CAPTURE(proven, found);
  CHECK(proven >= 30);
  CHECK(found >= 30);
}

TEST_CASE("a case whose floor is high is not REGRESSED by what placement can do", "[gate]") {
  Simulation simulation{.noise = kQuiet, .cases = 4};
  simulation.candidate.slower["case 1"] = 1.08;
  CHECK(has_regressed(simulate(simulation, 1)));
  simulation.settings.floors = {{"case 1", std::log(1.1)}};
  simulation.settings.max_seconds = 60;
  const Report report = simulate(simulation, 1);
  CHECK(!has_regressed(report));
  CHECK(report.cases[1].judgement.verdict == Verdict::inconclusive);  // it is not below the limit either
}

TEST_CASE("a machine that favours one process fires the null arm: ENVIRONMENT, not REGRESSED", "[gate]") {
  // The copy of the base is of a slower build: what an unfair machine looks like to the null arm. The slower case is
  // measured again, which gives the null arm the rounds that it needs before anything is called REGRESSED.
  SimulatedMachine machine(kQuiet, 1);
  const auto names = case_names(10);
  const auto base = machine.add("base", names, {}),
             candidate = machine.add("candidate", names, {.slower = {{"case 3", 1.05}}});
  const auto copy = machine.add("copy of base", names, {.slower_everywhere = 1.02});
  const Report report = compare_builds(machine, *base, *candidate, *copy, names, {});
  CHECK(outcome_of(report) == Outcome::environment);
  CHECK(contains(report.failure, "null arm: the base differs from a copy of itself by +"));
  CHECK(std::exp(report.null_judgement.size) == Approx(1.02).margin(0.002));
  CHECK(exit_code(outcome_of(report), true) == kExitEnvironment);
}

TEST_CASE("a machine that is unfair to all cases alike fires the null arm before the suite is blamed", "[gate]") {
  SimulatedMachine machine(kQuiet, 1);
  const auto names = case_names(10);
  const auto base = machine.add("base", names, {}),
             candidate = machine.add("candidate", names, {.slower_everywhere = 1.02}),
             copy = machine.add("copy of base", names, {.slower_everywhere = 1.02});
  const Report report = compare_builds(machine, *base, *candidate, *copy, names, {});
  CHECK(report.suite_judgement.verdict != Verdict::regressed);
  CHECK(outcome_of(report) == Outcome::environment);
}

TEST_CASE("three quarters of a percent everywhere are no slower case, but a slower suite", "[gate]") {
  const Simulation simulation{
      .noise = kQuiet, .candidate = {.slower_everywhere = 1.0075}, .settings = {.fixed_rounds = 20}};
  const Report report = simulate(simulation, 1);
  CHECK(report.cases[0].confirm.size() == 20);
  CHECK(!has_regressed(report));
  CHECK(report.suite_judgement.verdict == Verdict::regressed);
}

TEST_CASE("processes that differ from launch to launch fire no null arm: a launch is one value", "[gate]") {
  Simulation simulation{.noise = kQuiet, .cases = 10, .settings = {.max_seconds = 60}};
  simulation.noise.process = 0.05;
  for (int run = 1; run <= 100; ++run) CHECK(simulate(simulation, run).failure.empty());
}

TEST_CASE("who is launched and who prepares a case first is drawn, so that its place favours nobody", "[gate]") {
  Simulation simulation{.noise = kQuiet, .cases = 10};
  (GENERATE(true, false) ? simulation.noise.last_launched : simulation.noise.first_prepared) = 0.02;
  int false_alarms = 0;
  for (int run = 1; run <= 50; ++run) {
    const Report report = simulate(simulation, run);
    false_alarms += has_regressed(report) || has_faster(report) || !report.failure.empty();
  }
  CHECK(false_alarms == 0);
}

TEST_CASE("a side that dies, crashes or hangs ends the run with what was measured, naming side and place", "[gate]") {
  const auto [fault, runs, said] = GENERATE(table<Fault, int, std::string>({
      {Fault::dies_at_launch, 0,
       "candidate ended with exit 127 before it said anything, when launched for screen round 1"},
      {Fault::crashes, 500, "candidate crashed (signal 11), in screen round "},
      {Fault::hangs, 500, "candidate did not answer within 60 s, in screen round "},
  }));
  Simulation simulation;
  simulation.candidate.fault = fault;
  simulation.candidate.runs_until_fault = runs;
  const Report report = simulate(simulation, 1);
  CHECK(contains(report.failure, said));
  CHECK(exit_code(outcome_of(report), true) == kExitEnvironment);
  const auto measured =
      std::count_if(report.cases.begin(), report.cases.end(), [](const CaseReport& c) { return !c.times.empty(); });
  CHECK(measured == (fault == Fault::dies_at_launch ? 0 : 40));
}

TEST_CASE("the base may break as well", "[gate]") {
  Simulation simulation;
  simulation.base.fault = Fault::crashes;
  CHECK(contains(simulate(simulation, 1).failure, "base crashed (signal 11), in screen round 1 of case"));
}

TEST_CASE("a wrong kernel has no number and fails the run", "[gate]") {
  Simulation simulation{.cases = 3};
  simulation.candidate.fault = Fault::computes_wrongly;
  const Report report = simulate(simulation, 1);
  CHECK(exit_code(outcome_of(report), true) == kExitWrong);
  for (const CaseReport& c : report.cases) {
    CHECK(c.wrong == "candidate: o is wrong in row 0");
    CHECK(c.times.empty());
  }
}

TEST_CASE("an interrupted run keeps what it measured", "[gate]") {
  Simulation simulation{.interrupt_after_seconds = 15};
  const Report report = simulate(simulation, 1);
  CHECK(report.interrupted);
  CHECK(exit_code(outcome_of(report), true) == kExitInterrupted);
  CHECK(report.seconds < 16);
  CHECK(report.cases[0].screen.size() >= 2);
}

TEST_CASE("the same seed gives the same report", "[gate]") {
  const Report a = simulate({.cases = 5}, 9), b = simulate({.cases = 5}, 9);
  for (std::size_t i = 0; i < a.cases.size(); ++i) {
    CHECK(a.cases[i].screen == b.cases[i].screen);
    CHECK(a.cases[i].confirm == b.cases[i].confirm);
  }
}
