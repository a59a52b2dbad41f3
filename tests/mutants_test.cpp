// The tests tested: every deliberately wrong kernel must be caught by the battery that the variants pass.
#include <fmt/format.h>

#include <cstdio>
#include <future>

#include "battery.hpp"
#include "catch.hpp"
#include "grid.hpp"
#include "mutant_process.hpp"
#include "mutant_tables.hpp"
#include "registry.hpp"

namespace attn::test {
namespace {

char letter(Outcome outcome) { return outcome == Outcome::passed ? '.' : outcome == Outcome::failed ? 'x' : '!'; }

void print_header() {
  std::string names;
  for (const Check& check : battery()) names += fmt::format(" {}", check.name);
  fmt::print("kill matrix (. passed, x failed, ! crashed), checks:{}\n", names);
}

void print_row(const std::string& mutant, const std::vector<Outcome>& outcomes) {
  std::string letters, killers;
  for (std::size_t c = 0; c < outcomes.size(); ++c) {
    letters += letter(outcomes[c]);
    if (outcomes[c] != Outcome::passed) killers += fmt::format(" {}", battery()[c].name);
  }
  fmt::print("  {:32} {}  {}\n", mutant, letters, killers.empty() ? " none" : killers);
  std::fflush(stdout);
}

bool is_control(const Variant& v) { return std::string_view(v.name).substr(0, 7) == "control"; }

// Those whose ISA this CPU has.
std::vector<const Variant*> mutants_here() {
  std::vector<const Variant*> here;
  for (const Variant* mutant : all_mutants()) {
    const std::string& missing = missing_for(parse_isa(mutant->isa).value());
    if (missing.empty())
      here.push_back(mutant);
    else
      fmt::print("skipped: {}: {}\n", name_of(*mutant), missing);
  }
  return here;
}

// Emulated or sanitized, the whole battery takes a quarter of an hour; that each mutant dies is then enough.
Extent extent() { return test_grid() == Grid::full ? Extent::all : Extent::until_killed; }

// The outcomes of each, by two processes at a time.
std::vector<std::vector<Outcome>> run_batteries(const std::vector<const Variant*>& mutants) {
  std::vector<std::vector<Outcome>> outcomes(mutants.size());
  const auto every_other = [&](std::size_t first) {
    for (std::size_t i = first; i < mutants.size(); i += 2)
      outcomes[i] = run_battery_in_processes(*mutants[i], extent());
  };
  std::future<void> odd = std::async(std::launch::async, every_other, 1);
  every_other(0);
  odd.get();
  return outcomes;
}

}  // namespace

TEST_CASE("every mutant is killed, every check kills one, and the controls pass everything", "[mutants]") {
  const std::vector<const Variant*> mutants = mutants_here();
  REQUIRE(mutants.size() > mutant_table().size());
  const std::vector<std::vector<Outcome>> outcomes = run_batteries(mutants);
  std::vector<bool> kills(battery().size());
  print_header();
  for (std::size_t m = 0; m < mutants.size(); ++m) {
    print_row(name_of(*mutants[m]), outcomes[m]);
    bool killed = false;
    for (std::size_t c = 0; c < outcomes[m].size(); ++c)
      if (outcomes[m][c] != Outcome::passed) killed = kills[c] = true;
    CAPTURE(name_of(*mutants[m]));
    CHECK(killed != is_control(*mutants[m]));
  }
  for (std::size_t c = 0; c < kills.size() && extent() == Extent::all; ++c) {
    CAPTURE(battery()[c].name);
    CHECK(kills[c]);
  }
}

TEST_CASE("reading past the last key dies at the guard page", "[mutants]") {
  const std::vector<Outcome> outcomes =
      run_battery_in_processes(*find_native(mutant_table(), "reads_past_k"), Extent::all);
  for (std::size_t c = 0; c < outcomes.size(); ++c)
    if (std::string_view(battery()[c].name) == "guard") CHECK(outcomes[c] == Outcome::crashed);
}

}  // namespace attn::test
