// What threads do, judged: which use of CPUs is that of the team that a row names.
#include <thread>

#include "base/reason.hpp"
#include "catch.hpp"
#include "machine/openmp_team.hpp"
#include "machine/team.hpp"
#include "support.hpp"

using namespace attn::bench;
using attn::test::contains;

TEST_CASE("a kernel is suspected of another team where its CPU time cannot be that of its row", "[team]") {
  struct Row {
    const char* what;
    int threads;
    TeamUse use;
    bool may_use_fewer;
    const char* suspicion;
  };
  const auto row = GENERATE(values<Row>({
      {"one thread", 1, {1, 1, 0, 0, 10}, false, ""},
      {"one thread beside a neighbour", 1, {1, 0.5, 0.5, 0, 10}, false, ""},
      {"one thread that was taken off its core", 1, {1, 0.3, 0, 0, 10}, false, ""},
      {"a thread of its own", 1, {1, 2, 0, 0, 10}, false, "2.0 CPUs busy where 1 thread should be"},
      {"a thread of its own on one core", 1, {1, 1, 0.9, 0, 10}, false, "1.9 CPUs busy where 1 thread should be"},
      {"a thread of its own that has ended", 1, {1, 1.9, 0, 0.9, 10}, true, "1.9 CPUs busy where 1 thread should be"},
      {"threads of its own that have ended, beside neighbours",
       1,
       {1, 0.2, 0, 0.1, 10, 0.1},
       false,
       "threads of its own took 50 % of the CPU time where 1 thread should be"},
      {"one that works while the caller waits", 1, {1, 1, 0, 0.99, 10, 0.01}, false, ""},
      {"two that end in every call", 2, {1, 2, 0, 1, 10, 1}, false, ""},
      {"two", 2, {1, 2, 0, 0, 10}, false, ""},
      {"two, uneven shares", 2, {1, 1.5, 0, 0, 10}, false, ""},
      {"two, one of which shares its core", 2, {1, 1.05, 0.5, 0, 10}, false, ""},
      {"three", 2, {1, 3, 0, 0, 10}, false, "3.0 CPUs busy where 2 threads should be"},
      {"one of two", 2, {1, 1, 0, 0, 10}, false, "1.0 of 2 CPUs busy"},
      {"one of two, in a layer", 2, {1, 1, 0, 0, 10}, true, ""},
      {"one of two, small work", 2, {1, 1, 0, 0, 1000}, false, ""},
      {"one of two, whose threads have ended", 2, {1, 1, 0, 0.5, 10}, false, ""},
      {"nine equal pieces for eight", 8, {2, 9, 0, 0, 1}, false, ""},
      {"four of eight", 8, {1, 4, 0, 0, 1}, false, "4.0 of 8 CPUs busy"},
      {"too short to tell", 1, {0.003, 0.006, 0, 0, 1}, false, ""},
      {"never called", 2, {}, false, ""},
  }));
  CAPTURE(row.what);
  CHECK(suspicion(row.threads, row.use, row.may_use_fewer) == row.suspicion);
}

TEST_CASE("the CPU time of threads that have ended is counted, and known as theirs", "[team]") {
  const auto spin = [] {
    for (const auto begin = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(20);)
      continue;
  };
  wait_for_resting_teams();
  const TeamClock clock;
  std::thread(spin).join();
  const TeamUse use = clock.use(3);
  CHECK(use.calls == 3);
  CHECK(use.wall_seconds >= 0.02);
  CHECK(use.ended_seconds > 0.001);
  CHECK(use.ended_seconds + use.caller_seconds <= use.cpu_seconds * 1.05);
}

TEST_CASE("a team of another size than asked for is told, with its reason", "[team]") {
  CHECK(why_not_team({2, false, 2}, 2) == "");
  CHECK(why_not_team({1, true, 1}, 1) == "");
  CHECK(contains(why_not_team({1, false, 2}, 2), "a team of 1 where 2 threads were asked for: "));
  CHECK(contains(why_not_team({2, true, 2}, 2), "a team of 2 that may become smaller at any call: "));
  const FormedTeam team = form_team(3);
  CHECK(team.members == 3);
  CHECK(!team.may_shrink);
  CHECK(team.cpus >= 1);
}

TEST_CASE("a failure on a smaller problem than the row's names it, and keeps its reason", "[team]") {
  const std::string small = "b:1/h:2/q:128/d:64";
  const Failure wrong = on_problem({Reason::wrong, "o[b=0, h=0, i=0, d=0] = 1"}, small),
                crashed = on_problem({Reason::crashed, "its worker crashed (SIGSEGV)"}, small);
  CHECK(wrong.text == "on " + small + ": o[b=0, h=0, i=0, d=0] = 1");
  CHECK(crashed.text == "its worker crashed (SIGSEGV), on " + small);
  CHECK((wrong.problem == small && crashed.problem == small));
  CHECK((wrong.reason == Reason::wrong && crashed.reason == Reason::crashed));
}

TEST_CASE("reasons have names that are read back", "[team]") {
  for (std::size_t i = 0; i < kReasonNames.size(); ++i) {
    const auto reason = static_cast<Reason>(i);
    CHECK(parse_reason(to_string(reason), Reason::none) == reason);
  }
  CHECK(to_string(Reason::not_run) == "not_run");
  CHECK(parse_reason("a word of a later build", Reason::wrong) == Reason::wrong);
}
