// Cases that take turns, on a simulated machine whose neighbours slow it down for seconds: what is said of them.
#include "measure/passes.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "catch.hpp"
#include "gate/simulated.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

// A neighbour that comes and goes every few seconds and takes up to half of the speed, and noisy turns.
constexpr gate::Noise kNeighbour{
    .chunk = 0.02, .bursts_per_second = 0.25, .burst_seconds = 3, .burst_most = 2, .preemptions_per_second = 2};
constexpr gate::Noise kQuiet{.chunk = 0.01, .bursts_per_second = 0, .preemptions_per_second = 0};

// Cases by name, with the factor of their time; a call takes 2.5 ms.
using Factors = std::map<std::string, double>;

struct Result {
  std::map<std::string, double> seconds;
  std::map<std::string, Standing> standing;
};

Result measure(const Factors& factors, const gate::Noise& noise, std::uint64_t seed) {
  gate::SimulatedMachine machine(noise, seed);
  std::vector<std::string> names;
  for (const auto& [name, factor] : factors) names.push_back(name);
  const auto side = machine.add("m", names, {.slower = factors});
  side->launch(0);
  std::vector<Entrant> entrants;
  for (const std::string& name : names) {
    side->prep(name);
    entrants.push_back({name, 2.5e-3 * factors.at(name), [&side = *side, name](std::int64_t calls) {
                          Measurement m{.verdict = Verdict{.passed = true}};
                          m.wall_seconds = side.run(name, calls).wall_ns * 1e-9;
                          return m;
                        }});
  }
  std::mt19937_64 random(seed);
  const auto all = take_passes(entrants, {}, random, {[](auto...) {}, [] { return false; }});
  std::vector<PassTimes> times;
  for (const Series& series : all) times.push_back(series.times());
  const auto quiet = quiet_passes(times);
  const auto standings = standings_of(times);
  Result result;
  for (std::size_t e = 0; e < names.size(); ++e) {
    result.seconds[names[e]] = median_seconds(times[e], quiet);
    result.standing[names[e]] = standings[e];
  }
  return result;
}

Entrant steady(const std::string& name, double call_seconds, int& turns) {
  return {name, call_seconds, [call_seconds, &turns](std::int64_t calls) {
            ++turns;
            Measurement m{.verdict = Verdict{.passed = true}};
            m.wall_seconds = call_seconds * static_cast<double>(calls);
            return m;
          }};
}

std::vector<Series> take(std::span<const Entrant> entrants, const PassSettings& settings = {}) {
  std::mt19937_64 random(1);
  return take_passes(entrants, settings, random, {[](auto...) {}, [] { return false; }});
}

std::size_t turns_taken(const Series& series) {
  return static_cast<std::size_t>(
      std::count_if(series.turns.begin(), series.turns.end(), [](const auto& turn) { return turn.has_value(); }));
}

}  // namespace

// A ladder as `run --sweep quick` has it: neighbours 6 % apart, and two copies of one variant at the top.
const Factors kLadder = {{"copy_a", 1},   {"copy_b", 1},  {"third", 1.06},  {"fourth", 1.12},
                         {"fifth", 1.19}, {"sixth", 1.5}, {"seventh", 3.2}, {"naive", 20}};

TEST_CASE("beside a neighbour that comes and goes, no order of 6 % is ever reversed", "[passes]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Result result = measure(kLadder, kNeighbour, seed);
    for (const auto& [a, factor_a] : kLadder)
      for (const auto& [b, factor_b] : kLadder)
        if (factor_a < 0.96 * factor_b) {
          CAPTURE(seed, a, b);
          CHECK(result.seconds.at(a) < result.seconds.at(b));
        }
  }
}

TEST_CASE("beside a neighbour that comes and goes, no copy of a variant is said to be faster than the other",
          "[passes]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Result result = measure(kLadder, kNeighbour, seed);
    CAPTURE(seed);
    for (const char* copy : {"copy_a", "copy_b"}) CHECK(result.standing.at(copy) != Standing::behind);
  }
}

TEST_CASE("on a quiet machine a lead of 6 % is said to be one, also over cases with few turns", "[passes]") {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Result result = measure(kLadder, kQuiet, seed);
    found += result.standing.at("third") == Standing::behind;
    CAPTURE(seed);
    CHECK(result.standing.at("naive") == Standing::behind);
    CHECK(result.standing.at("seventh") == Standing::behind);
  }
  CHECK(found >= 48);
}

TEST_CASE("a case alone, or with a single turn, has no standing", "[passes]") {
  CHECK(standings_of(std::vector<PassTimes>{{1, 1, 1}}) == std::vector{Standing::unknown});
  CHECK(standings_of(std::vector<PassTimes>{{1}, {2}}) == std::vector{Standing::unknown, Standing::unknown});
  const double none = std::nan("");
  CHECK(standings_of(std::vector<PassTimes>{{1, 1, 1}, {2, 2, 2}, {none, none, none}}) ==
        std::vector{Standing::fastest, Standing::behind, Standing::behind});
}

TEST_CASE("passes in which the machine was slower for all are left out, an odd number stays", "[passes]") {
  const std::vector<PassTimes> group = {
      {1, 2, 1, 1, 2.1, 1, 1}, {3, 6, 3, 3.01, 6, 2.99, 3}, {5, 10, 5, 5, 10, 5, 5.02}};
  CHECK(quiet_passes(group) == std::vector<std::size_t>{0, 2, 3, 5, 6});
  // What one case does alone is its own affair.
  const std::vector<PassTimes> alone = {{1, 2, 1, 1, 2, 1, 1}, {3, 3, 3, 3, 3, 3, 3}, {5, 5, 5, 5, 5, 5, 5}};
  CHECK(quiet_passes(alone).size() == 7);
}

TEST_CASE("one pass in fifteen may contradict a lead, two may not", "[passes]") {
  PassTimes fast(15, 1.0), slow(15, 1.05);
  CHECK(is_slower(slow, fast));
  slow[3] = 0.9;
  CHECK(is_slower(slow, fast));
  slow[9] = 0.9;
  CHECK_FALSE(is_slower(slow, fast));
  CHECK_FALSE(is_slower(PassTimes(15, 1.009), fast));
  CHECK_FALSE(is_slower(PassTimes(3, 1.2), PassTimes(3, 1.0)));
  CHECK(is_slower(PassTimes(3, 1.3), PassTimes(3, 1.0)));
  // What takes long enough to sit most passes out is not level with what takes a fifteenth of it.
  const double out = std::numeric_limits<double>::quiet_NaN();
  CHECK(is_slower({15, out, out, 15, out}, PassTimes(5, 1.0)));
  CHECK(is_slower({15, out, out, out, out}, PassTimes(5, 1.0)));
  CHECK_FALSE(is_slower({15, out, out, 3.9, out}, PassTimes(5, 1.0)));
  CHECK_FALSE(is_slower(PassTimes(5, out), PassTimes(5, 1.0)));
  // Nor where the two were in no pass together.
  CHECK(is_slower({15, out, out, 14, out}, {out, 1, 2, out, 3}));
  CHECK_FALSE(is_slower({15, out, out, 11, out}, {out, 1, 2, out, 3}));
  CHECK_FALSE(is_slower({out, 1, 2, out, 3}, {15, out, out, 14, out}));
  CHECK_FALSE(is_slower({1.3, 1.3, 1.0}, PassTimes(3, 1.0)));
  CHECK(is_slower({1.3, 1.3, 1.0, 1.3, 1.3}, PassTimes(5, 1.0)));
  CHECK_FALSE(is_slower({1.3, 1.3, 1.0, 1.0, 1.3}, PassTimes(5, 1.0)));
}

TEST_CASE("short calls get all turns, long ones fewer, spread over the passes of the others", "[passes]") {
  int fast_turns = 0, slow_turns = 0, slowest_turns = 0;
  const std::vector<Entrant> entrants = {steady("fast", 1e-5, fast_turns), steady("slow", 0.07, slow_turns),
                                         steady("slowest", 2, slowest_turns)};
  const auto all = take(entrants);
  CHECK(turns_taken(all[0]) == kMostPasses);
  CHECK(turns_taken(all[1]) == 7);
  CHECK(turns_taken(all[2]) == kLeastPasses);
  CHECK(slowest_turns == kLeastPasses);  // long calls are not tried beforehand
  CHECK(all[0].calls * 1e-5 > 0.9 * PassSettings{}.turn_seconds());
  CHECK(all[2].calls == 1);
  for (const std::size_t pass : {2u, 7u, 12u}) CHECK(all[2].turns[pass].has_value());
}

TEST_CASE("so many repetitions as were asked for are so many turns of everyone", "[passes]") {
  int turns = 0, others = 0;
  const std::vector<Entrant> entrants = {steady("a", 1e-5, turns), steady("b", 2, others)};
  for (const Series& series : take(entrants, {.seconds = 0.01, .repetitions = 4})) CHECK(turns_taken(series) == 4);
}

TEST_CASE("a failed case has no turns any more, the others go on", "[passes]") {
  int turns = 0, calls = 0;
  const std::vector<Entrant> entrants = {steady("good", 0.05, turns),
                                         {"bad", 0.05, [&](std::int64_t) {
                                            if (++calls == 3) throw CaseFailed({Reason::wrong, "o is wrong"});
                                            Measurement m{.verdict = Verdict{.passed = true}};
                                            m.wall_seconds = 0.05;
                                            return m;
                                          }}};
  const auto all = take(entrants);
  CHECK(turns_taken(all[0]) == 10);
  REQUIRE(all[1].failed);
  CHECK(all[1].failed.reason == Reason::wrong);
  CHECK(calls == 3);
}

TEST_CASE("a verdict that did not pass fails its case", "[passes]") {
  const std::vector<Entrant> entrants = {
      {"bad", 1, [](std::int64_t) { return Measurement{.verdict = Verdict{.failure = "o[0] is wrong"}}; }}};
  const auto all = take(entrants);
  REQUIRE(all[0].failed);
  CHECK(all[0].failed.text == "o[0] is wrong");
}

TEST_CASE("a pass that was interrupted counts for nobody", "[passes]") {
  int left = 2 * 4 + 1;
  const auto counted = [&](std::int64_t) {
    --left;
    Measurement m{.verdict = Verdict{.passed = true}};
    m.wall_seconds = 0.05;
    return m;
  };
  const std::vector<Entrant> entrants = {{"a", 0.05, counted}, {"b", 0.05, counted}};
  std::mt19937_64 random(1);
  const auto all = take_passes(entrants, {}, random, {[](auto...) {}, [&] { return left <= 0; }});
  for (const Series& series : all) {
    CHECK(turns_taken(series) == 4);
    CHECK(series.turns.size() == 4);
  }
}

TEST_CASE("what finished passes gave is told after each of them", "[passes]") {
  int turns = 0, others = 0;
  const std::vector<Entrant> entrants = {steady("a", 0.05, turns), steady("b", 0.05, others)};
  std::vector<int> told;
  std::mt19937_64 random(1);
  take_passes(entrants, {.repetitions = 4}, random,
              {[](auto...) {}, [] { return false; },
               [&](std::span<const Series> all) {
                 REQUIRE(all.size() == 2);
                 CHECK(turns_taken(all[0]) == turns_taken(all[1]));
                 told.push_back(turns_taken(all[0]));
               }});
  CHECK(told == std::vector<int>{1, 2, 3});
}

TEST_CASE("who is far slower in two turns drops out, but for the one that is kept", "[passes]") {
  int leader = 0, slow = 0, kept = 0;
  const std::vector<Entrant> entrants = {steady("leader", 0.01, leader), steady("slow", 0.04, slow),
                                         steady("kept", 0.04, kept)};
  const auto all = take(entrants, {.drop_above = 2.5, .keep = 2});
  CHECK(all[1].dropped);
  CHECK(turns_taken(all[1]) == 2);
  CHECK_FALSE(all[2].dropped);
  CHECK(turns_taken(all[2]) == 12);
}

TEST_CASE("a stall in one turn drops nobody", "[passes]") {
  int leader = 0, turn = 0;
  const std::vector<Entrant> entrants = {steady("leader", 0.01, leader),
                                         {"stalled", 0.1, [&](std::int64_t calls) {
                                            Measurement m{.verdict = Verdict{.passed = true}};
                                            m.wall_seconds = (turn++ == 0 ? 0.3 : 0.011) * static_cast<double>(calls);
                                            return m;
                                          }}};
  CHECK_FALSE(take(entrants, {.drop_above = 2.5})[1].dropped);
}

}  // namespace attn::test
