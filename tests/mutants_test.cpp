// The tests tested: every deliberately wrong kernel must be caught by the battery that the variants pass.
#include <fmt/format.h>

#include <cstdio>

#include "battery.hpp"
#include "catch.hpp"
#include "mutant_process.hpp"

namespace attn::test {
namespace {

char letter(Outcome outcome) { return outcome == Outcome::passed ? '.' : outcome == Outcome::failed ? 'x' : '!'; }

void print_header() {
  std::string names;
  for (const Check& check : battery()) names += fmt::format(" {}", check.name);
  fmt::print("kill matrix (. passed, x failed, ! crashed), checks:{}\n", names);
}

void print_row(const char* mutant, const std::vector<Outcome>& outcomes) {
  std::string letters, killers;
  for (std::size_t c = 0; c < outcomes.size(); ++c) {
    letters += letter(outcomes[c]);
    if (outcomes[c] != Outcome::passed) killers += fmt::format(" {}", battery()[c].name);
  }
  fmt::print("  {:24} {}  {}\n", mutant, letters, killers.empty() ? " none" : killers);
  std::fflush(stdout);
}

bool is_control(const Variant& v) { return std::string_view(v.name).substr(0, 7) == "control"; }

}  // namespace

TEST_CASE("every mutant is killed, every check kills one, and the controls pass everything", "[mutants]") {
  REQUIRE(mutant_table().size() > 1);
  std::vector<bool> kills(battery().size());
  print_header();
  for (const Variant* mutant : mutant_table()) {
    const std::vector<Outcome> outcomes = run_battery_in_processes(mutant->name);
    print_row(mutant->name, outcomes);
    bool killed = false;
    for (std::size_t c = 0; c < outcomes.size(); ++c)
      if (outcomes[c] != Outcome::passed) killed = kills[c] = true;
    CAPTURE(mutant->name);
    CHECK(killed != is_control(*mutant));
  }
  for (std::size_t c = 0; c < kills.size(); ++c) {
    CAPTURE(battery()[c].name);
    CHECK(kills[c]);
  }
}

TEST_CASE("reading past the last key dies at the guard page", "[mutants]") {
  const std::vector<Outcome> outcomes = run_battery_in_processes("reads_past_k");
  for (std::size_t c = 0; c < outcomes.size(); ++c)
    if (std::string_view(battery()[c].name) == "guard") CHECK(outcomes[c] == Outcome::crashed);
}

}  // namespace attn::test
