// cache:cold: calls go round copies of the inputs, and every copy is checked.
#include <set>

#include "catch.hpp"
#include "commands/plan.hpp"
#include "measure/workbench.hpp"
#include "registry.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

constexpr std::int64_t kKiB = 1 << 10;
constexpr const char* kCold = "h:2/q:4/k:20/d:8/cache:cold";  // a call reads 256 + 2560 bytes
constexpr std::int64_t kCache = 8 * kKiB;                     // six copies

const Variant& naive() { return *find_native(variant_table(), "naive"); }

// naive, with something done before or after each call. Plain functions, as kernels are.
std::vector<const void*> seen;
void record(const Args* args) {
  seen.push_back(args->k.data);
  naive().run(args);
}
void spoil_third_call(const Args* args) {
  naive().run(args);
  seen.push_back(args->k.data);
  if (seen.size() == 3) static_cast<float*>(args->o.data)[0] += 1;
}
void write_input_of_third_call(const Args* args) {
  naive().run(args);
  seen.push_back(args->k.data);
  if (seen.size() == 3) const_cast<float*>(static_cast<const float*>(args->v.data))[0] += 1;
}

Variant variant_that(void (*run)(const Args*)) {
  Variant variant = naive();
  variant.run = run;
  seen.clear();
  return variant;
}

}  // namespace

TEST_CASE("copies exceed the last-level cache twice over, and are two at least", "[cold]") {
  CHECK(copies_needed(parse_workload("h:2/q:4/k:20/d:8"), kCache) == 1);
  CHECK(copies_needed(parse_workload(kCold), kCache) == 6);
  CHECK(copies_needed(parse_workload(kCold), 100) == 2);
  // A call that sees 2 of 20 keys reads less, and more copies are needed.
  CHECK(copies_needed(parse_workload("h:2/q:1/k:20/d:8/window:1,0/cache:cold"), kCache) == 52);
}

TEST_CASE("calls go round all the copies, and so does who skips some", "[cold]") {
  const Variant variant = variant_that(record);
  const Case c{&variant, parse_workload(kCold), 1};
  Workbench bench(1, kCache);
  PreparedCase& prepared = bench.prepare(c);
  REQUIRE(prepared.copies() == 6);
  prepared.begin_calls();
  seen.clear();
  for (int call = 0; call < 12; ++call) prepared.call();
  CHECK(std::set<const void*>(seen.begin(), seen.end()).size() == 6);
  for (std::size_t call = 0; call < 6; ++call) CHECK(seen[call] == seen[call + 6]);
  CHECK(prepared.skip_copies(4) == 0);
  CHECK(prepared.skip_copies(3) == 4);
  prepared.call();
  CHECK(seen.back() == seen[1]);
  prepared.check_again();
  CHECK(prepared.verdict().passed);
}

TEST_CASE("a wrong output is found whichever copy it was computed from", "[cold]") {
  const Variant variant = variant_that(spoil_third_call);
  const Case c{&variant, parse_workload(kCold), 1};
  Workbench bench(1, kCache);
  PreparedCase& prepared = bench.prepare(c);
  REQUIRE(prepared.verdict().passed);
  prepared.begin_calls();
  for (int call = 0; call < 4; ++call) prepared.call();
  prepared.check_again();
  CHECK(!prepared.verdict().passed);
}

TEST_CASE("a kernel that writes to any copy of its inputs is found", "[cold]") {
  const Variant variant = variant_that(write_input_of_third_call);
  const Case c{&variant, parse_workload(kCold), 1};
  Workbench bench(1, kCache);
  PreparedCase& prepared = bench.prepare(c);
  REQUIRE(prepared.verdict().passed);
  prepared.begin_calls();
  for (int call = 0; call < 4; ++call) prepared.call();
  prepared.check_again();
  CHECK(contains(prepared.verdict().failure, "it wrote to an input"));
}

TEST_CASE("the copies are part of the memory estimate", "[cold]") {
  const Case warm{&naive(), parse_workload("h:2/q:4/k:20/d:8"), 1}, cold{&naive(), parse_workload(kCold), 1};
  CHECK(Workbench::bytes_needed(cold, kCache) - Workbench::bytes_needed(warm, kCache) ==
        5 * 4 * (2 * 2 * 4 * 8 + 2 * 2 * 20 * 8));  // five more of q and o, and of k and v, in f32
}

TEST_CASE("what cannot be cold here is skipped with the reason and its figures", "[cold]") {
  const Cases cases{.run = {{&naive(), parse_workload(kCold), 1}}, .skipped = {}};
  const auto reason = [&](Limits limits) {
    limits.max_case_seconds = 1000;
    const Plan plan = make_plan(cases, limits);
    return plan.skipped.empty() ? "" : plan.skipped[0].text;
  };
  constexpr std::int64_t kMuch = std::int64_t{1} << 40;
  CHECK(reason({.memory_bytes = kMuch, .last_level_bytes = kCache}) == "");
  CHECK(contains(reason({.memory_bytes = kMuch, .last_level_bytes = 0}), "does not tell"));
  const std::string poor = reason({.memory_bytes = 10000, .last_level_bytes = kCache});
  CHECK(contains(poor, "for 6 copies of its inputs"));
  CHECK(contains(poor, "8 KiB"));
  CHECK(contains(poor, "GiB is available"));
  CHECK(contains(reason({.memory_bytes = kMuch, .last_level_bytes = 32 << 20}), "at most 4096"));
}

}  // namespace attn::test
