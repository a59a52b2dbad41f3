// What a kernel leaves behind is seen, named and put right, on every thread of its team.
#include "measure/caller_state.hpp"

#include <omp.h>

#include "catch.hpp"
#include "float_control.hpp"
#include "machine/run_team.hpp"
#include "measure/input_watch.hpp"
#include "problem_text.hpp"
#include "support.hpp"

namespace attn::bench {
namespace {

using test::contains;

// What is said of a call that did this to a team of two; the second question finds nothing.
template <class Call>
std::string changes_of(Call call) {
  CallerState caller(2);
  call();
  const std::string changes = caller.mend_changes();
  CHECK(caller.mend_changes() == "");
  return changes;
}

// By one member only.
void set_on(int wanted, std::uint64_t control) {
  run_team(2, [&](int member, int) {
    if (member == wanted) set_float_control(control);
  });
}

// Whether it is still so in the next call: LLVM's OpenMP gives all members the caller's control for each region, and the
// caller its own back.
bool stays_set(int wanted) {
  bool stayed = false;
  set_on(wanted, kDefaultFloatControl | kFlushesDenormals);
  run_team(2, [&](int member, int) {
    if (member == wanted) stayed = float_control() != kDefaultFloatControl;
    set_float_control(kDefaultFloatControl);
  });
  return stayed;
}

}  // namespace

TEST_CASE("a call that changes nothing is not blamed", "[caller_state]") {
  CHECK(changes_of([] {}) == "");
  CHECK(changes_of([] {
          volatile float x = 1;
          x = x / 3;
        }) == "");  // sets the flag of an inexact result
}

TEST_CASE("rounding and flushing are seen on every member of the team", "[caller_state]") {
  for (const int member : {0, 1}) {
    const bool stays = stays_set(member);
    CAPTURE(member, stays);
#if !defined(__clang__)
    REQUIRE(stays);
#endif
    CHECK(contains(changes_of([&] { set_on(member, kDefaultFloatControl | kFlushesDenormals); }),
                   "denormals are flushed") == stays);
    CHECK(contains(changes_of([&] { set_on(member, kDefaultFloatControl | kRoundingMode); }), "another rounding") ==
          stays);
    run_team(2, [](int, int) { CHECK(float_control() == kDefaultFloatControl); });
  }
  CHECK(contains(changes_of([] { set_float_control(kDefaultFloatControl | kFlushesDenormals); }),
                 "denormals are flushed"));
  CHECK(float_control() == kDefaultFloatControl);
}

TEST_CASE("what was set before a call is not its doing", "[caller_state]") {
  set_on(0, kDefaultFloatControl | kFlushesDenormals);
  CHECK(changes_of([] {}) == "");
  CHECK(float_control() == kDefaultFloatControl);
}

TEST_CASE("settings of the OpenMP runtime and the caller's CPUs are seen and put back", "[caller_state]") {
  const int threads = omp_get_max_threads();
  CHECK(contains(changes_of([] { omp_set_dynamic(1); }), "omp_set_dynamic(1)"));
  CHECK(contains(changes_of([&] { omp_set_num_threads(threads + 1); }), "omp_set_num_threads"));
  CHECK(contains(changes_of([] { omp_set_max_active_levels(7); }), "omp_set_max_active_levels(7)"));
  CHECK(contains(changes_of([] { omp_set_schedule(omp_sched_guided, 3); }), "omp_set_schedule"));
  CHECK(omp_get_dynamic() == 0);
  CHECK(omp_get_max_threads() == threads);
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
  const std::string changes = changes_of([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
  });
  CHECK(contains(changes, "it left its caller on 1 CPU(s)"));
  cpu_set_t now;
  sched_getaffinity(0, sizeof now, &now);
  CHECK(CPU_EQUAL(&now, &all) != 0);
}

TEST_CASE("a write to an input is seen though it is undone, and reads and outputs are free", "[caller_state]") {
  const Workload w = parse_workload("h:2/q:40/d:24");
  const Inputs inputs(w.problem, w.setup, 3);
  const std::uint64_t hash = inputs.hash();
  volatile float& input = *row_of<float>(inputs.tensors().k, 0, 1, 39);
  volatile float& output = *row_of<float>(inputs.tensors().o, 0, 0, 0);
  {
    const InputWatch watch(inputs);
    output = input;
    CHECK(!watch.saw_a_write());
  }
  {
    const InputWatch watch(inputs);
    const float kept = input;
    input = 0;
    input = kept;
    CHECK(watch.saw_a_write());
  }
  CHECK(inputs.hash() == hash);
  input = 1;  // nobody watches any more
  CHECK(inputs.hash() != hash);
}

}  // namespace attn::bench
