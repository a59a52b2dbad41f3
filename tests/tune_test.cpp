// What `attnbench tune` is made of: groups, rankings, and the file that they end in. Nothing here asserts a time.
#include <fmt/format.h>
#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <fstream>

#include "base/errors.hpp"
#include "cases/best_file.hpp"
#include "catch.hpp"
#include "commands/ranking.hpp"
#include "commands/tune_group.hpp"
#include "machine/machine.hpp"
#include "mutant_tables.hpp"
#include "registry.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("attn_tune_test_{}.toml", ::getpid())).string();
  ~TemporaryFile() { std::filesystem::remove(path); }
  void write(const std::string& text) const { std::ofstream(path) << text; }
};

BestFile some_file() {
  const Isa isa = *parse_isa(kBaselineIsa);
  BestFile file{
      .revision = "0123456789ab", .date = "2026-11-23", .command = "attnbench tune", .machine = machine_facts()};
  file.entries = {{.choice = {parse_problem("h:2/q:64/d:32/mask:causal"), 1, isa, "naive"},
                   .level = {"vectorized"},
                   .median_us = {{"naive", 12.5}, {"blocked", 13.75}},
                   .gflops = 1.25,
                   .spread = 0.01,
                   .selected = "blocked",
                   .rule = "prefill",
                   .regret = 0.1},
                  {.choice = {parse_problem("h:2/q:64/d:32/window:3,1/lse:1"), 2, isa, "blocked"}}};
  file.wrong = {"attention/naive: \"o\" is wrong"};
  return file;
}

std::string replaced(std::string text, const std::string& part, const std::string& by) {
  const auto at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), by);
}

// What choices_for_this_machine says of a file that it must refuse with an Error.
template <class Error>
std::string complaint_about(const std::string& path) {
  try {
    choices_for_this_machine(path);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::vector<TuneGroup> groups_of(const Selection& selection, const char* problem) {
  const Limits no_limits{.min_time_seconds = 1e-3, .memory_bytes = std::int64_t{1} << 40};
  std::vector<Skipped> skipped;
  const Cases cases = select_cases(selection, {parse_workload(problem)}, variant_table());
  return make_tune_groups(cases, selection.isa == "native", no_limits, variant_table(), skipped);
}

}  // namespace

TEST_CASE("a best file reads back as it was written", "[tune]") {
  const TemporaryFile file;
  file.write(to_toml(some_file()));
  CHECK(load_best_file(file.path) == some_file());
  const Choices choices = choices_for_this_machine(file.path);
  REQUIRE(choices.size() == 2);
  CHECK(choices[0] == some_file().entries[0].choice);
}

TEST_CASE("a best file of another machine is refused, naming both", "[tune]") {
  const TemporaryFile file;
  for (const char* key : {"cpu", "cpu_model", "stepping", "cores"}) {
    BestFile other = some_file();
    other.machine[key] = "something else";
    file.write(to_toml(other));
    const std::string complaint = complaint_about<EnvironmentError>(file.path);
    CHECK(contains(complaint, "something else"));
    CHECK(contains(complaint, "this machine is '" + machine_facts().at("cpu")));
  }
}

TEST_CASE("a bad best file is refused with file and line", "[tune]") {
  const std::string isa_line = "isa = '" + std::string(kBaselineIsa) + "'";
  const auto [part, by, expected] = GENERATE_COPY(table<std::string, std::string, std::string>({
      {"schema = 1", "schema = 2", "'schema' is not an integer between 1 and 1"},
      {"schema = 1", "", "'schema' is missing"},
      {"schema = 1", "schema = ", "Error while parsing"},
      {"schema = 1", "schema = 1\ncolour = 'red'", "unknown key 'colour'"},
      {"[machine]", "[[machine]]", "'machine' is not a table"},
      {"stepping", "steppings", "'stepping' is missing"},
      {"h:2/", "h:0/", "h=0 is not between"},
      {"mask:causal", "mask:causal/fill:peaked", "belong to a setup"},
      {"threads = 1", "threads = 0", "'threads' is not an integer between 1 and"},
      {"threads = 1", "threads = '1'", "'threads' is not an integer"},
      {isa_line, "isa = 'mmx'", "unknown ISA 'mmx'; valid: "},
      {"best = 'naive'", "best = ''", "'best' is not a non-empty string"},
      {"regret = 0.1", "regret = -0.1", "'regret' is not a number of at least 0"},
      {"regret = 0.1", "regret = nan", "'regret' is not a number"},
      {"rule = 'prefill'", "", "'rule' is missing"},
      {"naive = 12.5", "naive = 'fast'", "'naive' is not a number"},
      {"[[problem]]", "[problem]", "Error while parsing"},
  }));
  const TemporaryFile file;
  file.write(replaced(to_toml(some_file()), part, by));
  const std::string complaint = complaint_about<UsageError>(file.path);
  CAPTURE(part, by, complaint);
  REQUIRE(complaint.rfind(file.path + ":", 0) == 0);
  CHECK(std::isdigit(static_cast<unsigned char>(complaint[file.path.size() + 1])));
  CHECK(contains(complaint, expected));
}

TEST_CASE("a best file has one choice for a problem, team and ISA, and must be there", "[tune]") {
  const TemporaryFile file;
  BestFile twice = some_file();
  twice.entries.push_back(twice.entries.front());
  file.write(to_toml(twice));
  CHECK(contains(complaint_about<UsageError>(file.path), "have a choice already"));
  CHECK(contains(complaint_about<UsageError>(file.path + ".absent"), "cannot read"));
  CHECK(contains(complaint_about<UsageError>("/"), "is a folder"));
}

TEST_CASE("there is a group for each problem, team and ISA, and the policy's choice is in it", "[tune]") {
  const std::vector<TuneGroup> native = groups_of({.variants = "naive", .threads = "1,2"}, "h:2/q:64/d:32");
  REQUIRE(native.size() == 1);  // naive has no team
  REQUIRE(native[0].selected != nullptr);
  CHECK(native[0].selected == &select(native[0].workload.problem, 1));
  CHECK(native[0].entrants.size() == 2);
  CHECK(groups_of({.variants = "naive,online_softmax", .threads = "1,2"}, "h:2/q:64/d:32").size() == 2);
  const std::vector<TuneGroup> all = groups_of({.variants = "naive", .isa = "all"}, "h:2/q:64/d:32");
  CHECK(!all.empty());
  for (const TuneGroup& group : all)
    for (const PlannedCase& planned : group.entrants) CHECK(std::string(planned.c.variant->isa) == group.selected->isa);
}

TEST_CASE("everyone has a rank, and whom it must keep stays for as many turns as it has calls for", "[tune]") {
  const TuneGroup group = groups_of({.variants = "naive,vectorized,online_softmax"}, "h:2/q:96/d:64").front();
  Workbench workbench(1);
  const Variant* naive = find_native(variant_table(), "naive");
  std::mt19937_64 random(1);
  Watchdog watchdog(60);
  const Ranking result = rank_in_turns(group.entrants, workbench, 0.01, naive, random, watchdog);
  CHECK(result.failed.empty());
  REQUIRE(result.ranks.size() == group.entrants.size());
  CHECK(result.ranks.front().level);
  for (const Rank& rank : result.ranks) {
    CHECK(rank.seconds > 0);
    CHECK(rank.spread >= 0);
    CHECK(rank.turns >= 2);
    if (rank.variant == naive) CHECK(rank.turns >= 3);
  }
}

TEST_CASE("a wrong kernel has no rank, and the others get fresh inputs after it wrote to them", "[tune]") {
  const Workload small = parse_workload("h:2/q:40/d:8/mask:causal");
  const auto rank = [&](std::initializer_list<const char*> names) {
    std::vector<PlannedCase> entrants;
    for (const char* name : names) entrants.push_back({{find_native(mutant_table(), name), small, 1}, 1e-5, 0});
    Workbench workbench(1);
    std::mt19937_64 random(1);
    Watchdog watchdog(60);
    return rank_in_turns(entrants, workbench, 1e-3, nullptr, random, watchdog);
  };
  const Ranking result = rank({"missing_scale", "control", "first_call_only"});
  CHECK(result.failed.size() == 2);
  REQUIRE(result.ranks.size() == 1);
  CHECK(std::string(result.ranks[0].variant->name) == "control");
  const Ranking spoiled = rank({"control", "writes_input", "control"});
  CHECK(spoiled.failed.size() == 1);
  CHECK(spoiled.ranks.size() == 2);
}

}  // namespace attn::test
