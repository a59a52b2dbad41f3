// What the gate says: for a person, for continuous integration, for tools; and what it demands of its two sides.
#include <fmt/format.h>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/errors.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "gate/ci_output.hpp"
#include "gate/comparison.hpp"
#include "gate/contenders.hpp"
#include "gate/fingerprint.hpp"
#include "gate/json_output.hpp"
#include "gate/live_view.hpp"
#include "gate/output_folder.hpp"
#include "gate/simulated.hpp"
#include "gate/text.hpp"
#include "gate/trace.hpp"
#include "gate/worker_side.hpp"
#include "support.hpp"

using namespace attn::bench;
using namespace attn::bench::gate;
using attn::test::contains;
using attn::test::Folder;

namespace {

constexpr const char* kFlash = "attention/flash/avx512/b:1/h:2/hkv:2/q:8/k:8/d:4/dv:4/dtype:f32/mask:none/threads:1";
constexpr const char* kNaive = "attention/naive/avx2/b:1/h:2/hkv:2/q:8/k:8/d:4/dv:4/dtype:f32/mask:none/threads:2";
constexpr const char* kWrong = "attention/blocked/avx2/b:1/h:2/hkv:2/q:8/k:8/d:4/dv:4/dtype:f32/mask:none/threads:1";
constexpr const char* kOpen = "attention/lazy_max/avx2/b:1/h:2/hkv:2/q:8/k:8/d:4/dv:4/dtype:f32/mask:none/threads:1";

CaseReport case_report(const char* name, double slowdown, int rounds) {
  CaseReport c{.pairing = {name, name, name},
               .min_effect = Criteria{}.min_effect,
               .turn = {.iterations = 10, .chunk_ns = 2e6},
               .routed = true};
  for (int i = 1; i <= rounds; ++i) {
    c.confirm.push_back(slowdown + 1e-4 * (i % 3));
    c.times.push_back({.phase = Phase::confirm,
                       .round = i,
                       .base_ns = 2e6,
                       .candidate_ns = 2e6 * std::exp(slowdown),
                       .base_cpu_ns = 1e6,
                       .candidate_cpu_ns = 1.1e6,
                       .value = slowdown,
                       .dropped = 0});
  }
  c.judgement = judge(c.confirm, c.min_effect, 4, {});
  return c;
}

Report mixed_report() {
  Report report;
  report.base_facts = {{"cpu", "A | B"}, {"compiler", "GNU 12"}, {"revision", "aaa"}};
  report.candidate_facts = report.base_facts;
  report.candidate_facts["revision"] = "bbb";
  report.cases = {case_report(kNaive, 0, 12), case_report(kFlash, 0.05, 12), case_report(kOpen, 0.02, 3),
                  case_report(kWrong, 0, 0)};
  report.cases[3].wrong = "candidate: o[b=0] is <NaN> & \x01\nnot 100 %";
  report.routed = 4;
  report.null = {0.001, -0.001};
  report.seconds = 65;
  return report;
}

Report all_proven() {
  Report report = mixed_report();
  report.cases = {case_report(kNaive, 0, 12)};
  return report;
}

boost::property_tree::ptree parse_xml(const std::string& text) {
  std::istringstream in(text);
  boost::property_tree::ptree tree;
  boost::property_tree::read_xml(in, tree);
  return tree;
}

int lines_with(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  int count = 0;
  for (std::string line; std::getline(in, line);) count += contains(line, part);
  return count;
}

}  // namespace

TEST_CASE("the report for a person has what is worst first, and says it in one sentence", "[gate_output]") {
  const std::string text = format_report(mixed_report(), false);
  CHECK(text.find("WRONG") < text.find("REGRESSED "));
  CHECK(text.find("REGRESSED ") < text.find("INCONCLUSIVE "));
  CHECK(text.find("INCONCLUSIVE ") < text.find("PROVEN "));
  CHECK(contains(text, "flash/avx512 h:2/q:8/d:4"));
  CHECK(contains(text, "naive/avx2 h:2/q:8/d:4 threads:2"));
  CHECK(contains(text, "+5.1 %"));
  CHECK(contains(text, "not bounded yet"));
  CHECK(contains(text, "WRONG RESULTS: 1 of 4 cases is wrong"));
  CHECK(!contains(text, "\033["));
  CHECK(contains(format_report(mixed_report(), true), "\033["));
}

TEST_CASE("headlines name the outcome and its measure", "[gate_output]") {
  Report report = all_proven();
  CHECK(headline(report) == "PASSED: all 1 case proven");
  report.cases.push_back(case_report(kFlash, 0.05, 12));
  CHECK(headline(report) == "REGRESSED: 1 of 2 cases is slower, by +5.1 %");
  report.cases = {case_report(kNaive, 0.02, 3)};
  report.out_of_time = true;
  CHECK(headline(report) == "INCONCLUSIVE: 1 of 1 case is neither proven nor slower, the time is over");
  report.suite_judgement = judge(std::vector<double>(9, 0.01), 0.005, 1, {});
  CHECK(contains(headline(report), "no single case, but the suite as a whole is slower by +1.0 %"));
  report.failure = "the candidate crashed (SIGSEGV)";
  CHECK(headline(report) == "ENVIRONMENT: the candidate crashed (SIGSEGV)");
  report.interrupted = true;
  CHECK(contains(headline(report), "INTERRUPTED after 1:05"));
}

TEST_CASE("a red row says when its machine code is the same, and a faster one that it is faster", "[gate_output]") {
  Report report = all_proven();
  report.cases = {case_report(kFlash, 0.05, 12), case_report(kNaive, -0.05, 12)};
  CHECK(!contains(format_report(report, false), "machine code"));
  report.cases[0].same_code = report.cases[1].same_code = true;
  CHECK(lines_with(format_report(report, false), "the machine code of this kernel is the same") == 1);
  CHECK(lines_with(format_report(report, false), "PROVEN, faster") == 1);
}

TEST_CASE("Markdown keeps its tables whole whatever a message holds", "[gate_output]") {
  const std::string text = markdown(mixed_report());
  std::istringstream in(text);
  int rows = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("| ", 0) != 0) continue;
    ++rows;
    std::size_t bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i) bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
    CHECK(bars == 7);
  }
  CHECK(rows == 2 + 3 + 4);  // two heads, what is not proven, all
  CHECK(contains(text, "Base `aaa`, candidate `bbb`"));
  CHECK(contains(text, "<details>"));
}

TEST_CASE("JUnit: counts agree with the cases, and everything survives a parser", "[gate_output]") {
  for (const bool pass : {false, true}) {
    const auto suite = parse_xml(junit(mixed_report(), pass)).get_child("testsuites.testsuite");
    int tests = 0, failures = 0, errors = 0, skipped = 0;
    for (const auto& [name, node] : suite) {
      if (name != "testcase") continue;
      ++tests;
      CHECK(!node.get<std::string>("<xmlattr>.name").empty());
      CHECK(!node.get<std::string>("<xmlattr>.classname").empty());
      CHECK(node.get<double>("<xmlattr>.time") >= 0);
      failures += node.count("failure") != 0;
      errors += node.count("error") != 0;
      skipped += node.count("skipped") != 0;
    }
    CHECK(tests == 5);
    CHECK(failures == (pass ? 2 : 3));
    CHECK(skipped == (pass ? 1 : 0));
    CHECK(suite.get<int>("<xmlattr>.tests") == tests);
    CHECK(suite.get<int>("<xmlattr>.failures") == failures);
    CHECK(suite.get<int>("<xmlattr>.errors") == errors);
    CHECK(suite.get<int>("<xmlattr>.skipped") == skipped);
  }
  Report broken = mixed_report();
  broken.failure = "the base hung";
  const auto suite = parse_xml(junit(broken, false)).get_child("testsuites.testsuite");
  CHECK(suite.get<int>("<xmlattr>.errors") == 1);
  CHECK(contains(suite.get_child("testcase.error").get<std::string>("<xmlattr>.message"), "the base hung"));
}

TEST_CASE("annotations: a line each, escaped, errors only for what fails the run", "[gate_output]") {
  const std::string text = annotations(mixed_report(), false);
  CHECK(lines_with(text, "::error title=") == 3);
  CHECK(lines_with(text, "::") == 3);
  CHECK(contains(text, "not 100 %25"));
  CHECK(contains(text, "%0Anot"));
  const std::string lenient = annotations(mixed_report(), true);
  CHECK(lines_with(lenient, "::error") == 2);
  CHECK(lines_with(lenient, "::warning title=inconclusive::lazy_max") == 1);
  CHECK(annotations(all_proven(), false).empty());
}

TEST_CASE("gate.json holds every round, and null where nothing is bounded", "[gate_output]") {
  const Json json = to_json(mixed_report());
  CHECK(json.at("outcome") == "WRONG RESULTS");
  REQUIRE(json.at("cases").size() == 4);
  CHECK(json.at("cases")[1].at("verdict") == "REGRESSED");
  CHECK(json.at("cases")[1].at("ratio").get<double>() == Approx(std::exp(0.05)).epsilon(1e-3));
  CHECK(json.at("cases")[1].at("rounds").size() == 12);
  CHECK(json.at("cases")[2].at("low").is_null());
  CHECK(json.at("cases")[2].at("detectable").is_null());
  CHECK(json.at("cases")[3].at("verdict") == "WRONG");
  CHECK(!json.at("cases")[3].contains("ratio"));
  CHECK(json.at("candidate").at("revision") == "bbb");
  CHECK(json.at("criteria").at("min_effect").get<double>() == Approx(1.01));
  for (const char* all : {"suite", "null_arm"})
    CHECK(json.at(all).at("min_effect").get<double>() == Approx(1.005).epsilon(1e-6));
}

TEST_CASE("A and B are Google Benchmark files of equal names, a repetition per round", "[gate_output]") {
  const Report report = mixed_report();
  const Json a = benchmark_json(report, Which::base), b = benchmark_json(report, Which::candidate);
  REQUIRE(a.at("benchmarks").size() == 27);
  REQUIRE(b.at("benchmarks").size() == 27);
  for (std::size_t i = 0; i < 27; ++i) CHECK(a["benchmarks"][i]["name"] == b["benchmarks"][i]["name"]);
  CHECK(a["benchmarks"][12]["real_time"].get<double>() == Approx(2e6));
  CHECK(b["benchmarks"][12]["real_time"].get<double>() == Approx(2e6 * std::exp(0.05)));
  CHECK(b["benchmarks"][12]["repetitions"] == 12);
  CHECK(parse_case_name(a["benchmarks"][12]["name"].get<std::string>()).variant == "flash");
}

TEST_CASE("the live table fits its terminal, the line of a pipe has no control characters", "[gate_output]") {
  const Progress progress{
      .phase = Phase::confirm, .round = 3, .rounds = 0, .cases = 4, .elapsed_seconds = 5, .left_seconds = 61};
  const std::string table = live_table(mixed_report(), progress, 2, 60, false);
  std::istringstream in(table);
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) CHECK(line.size() <= 60);
  CHECK(lines == 3);
  const std::string line = live_line(mixed_report(), progress);
  CHECK(contains(line, "confirm round 3: 4 cases, 1 REGRESSED, 1 WRONG, 1 proven"));
  CHECK(contains(line, "ETA 1:01"));
  CHECK(!contains(line, "\033"));
}

TEST_CASE("the output folder is checked before anything is timed, and holds all files afterwards", "[gate_output]") {
  const Folder folder;
  CHECK_THROWS_AS(OutputFolder("/proc/nowhere"), UsageError);
  std::ofstream(folder.file("taken")) << "a file";
  CHECK_THROWS_AS(OutputFolder(folder.file("taken")), UsageError);
  const std::string path = folder.file("deep") + "/gate";
  std::filesystem::create_directories(path);
  std::ofstream(path + "/trace.jsonl") << "precious";
  OutputFolder out(path);
  CHECK(std::filesystem::file_size(path + "/trace.jsonl") == 8);  // until something is measured
  Report report = mixed_report();
  report.skipped = {{"attention/of/another/build", Reason::left_out, "only the base has it"}};
  out.progressed(
      report, {.phase = Phase::screen, .round = 1, .rounds = 7, .cases = 1, .elapsed_seconds = 1, .left_seconds = 1});
  CHECK(Json::parse(std::ifstream(path + "/gate.json")).at("cases").size() == 4);
  out.write(report, false);
  for (const char* name : {"gate.json", "gate.md", "junit.xml", "A.json", "B.json", "trace.jsonl"})
    CHECK(std::filesystem::exists(path + "/" + name));
  CHECK(std::filesystem::file_size(path + "/trace.jsonl") == 0);  // not that of another run
  CHECK(Json::parse(std::ifstream(path + "/gate.json")).at("skipped")[0].at("reason") == "only the base has it");
  CHECK(contains(markdown(report), "1 case of the selection not compared, such as attention/of/another/build: only"));
}

TEST_CASE("sides that differ in more than their code are refused, naming each difference", "[gate_output]") {
  const Facts facts = {{"cpu", "EPYC"}, {"compiler", "GNU 12"}, {"flags", "Release -O3 -DNDEBUG"}, {"revision", "a"}};
  const auto complaint = [&](const Facts& base, const Facts& candidate) {
    try {
      require_alike(base, candidate);
    } catch (const EnvironmentError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(complaint(facts, facts).empty());
  Facts other = facts;
  other["revision"] = "b";
  CHECK(complaint(facts, other).empty());
  other["cpu"] = "Xeon";
  other["compiler"] = "GNU 13";
  CHECK(contains(complaint(facts, other), "cpu: base 'EPYC', candidate 'Xeon'"));
  CHECK(contains(complaint(facts, other), "compiler: base 'GNU 12', candidate 'GNU 13'"));
  other = facts;
  other.erase("cpu");
  CHECK(contains(complaint(facts, other), "cpu: base 'EPYC', candidate 'not told'"));
  for (const char* flags : {"Debug -g", "None", "Release -O3 -O0", "RelWithDebInfo -Og -g"}) {
    other = facts;
    other["flags"] = flags;
    CHECK(contains(complaint(other, other), "the base is a debug build"));
  }
  other["flags"] = "RelWithDebInfo -O2 -g -DNDEBUG -fsanitize=address";
  CHECK(contains(complaint(other, other), "built with sanitizers"));
}

TEST_CASE("case lists that differ are refused, naming who lacks what; or the common cases are taken", "[gate_output]") {
  const Pairings pairings = pair_up({"a", "b", "c"}, {"c", "a", "d", "e", "f", "g", "h", "i"});
  REQUIRE(pairings.both.size() == 2);
  CHECK(pairings.both[0].label == "a");
  CHECK(pairings.both[1].label == "c");
  CHECK(pairings.only_base == std::vector<std::string>{"b"});
  try {
    require_same_cases(pairings);
    FAIL("accepted");
  } catch (const EnvironmentError& error) {
    CHECK(contains(error.what(), "only the base has b"));
    CHECK(contains(error.what(), "only the candidate has h"));
    CHECK(contains(error.what(), "and 1 more"));
    CHECK(contains(error.what(), "--common"));
  }
  CHECK_NOTHROW(require_same_cases(pair_up({"a", "b"}, {"b", "a"})));
}

TEST_CASE("workers whose inputs do not fit into memory are not started", "[gate_output]") {
  CHECK_NOTHROW(require_memory({kFlash, kNaive}, 3));
  const std::string huge =
      "attention/naive/avx2/b:1/h:64/hkv:64/q:1/k:99999999/d:128/dv:128/dtype:f32/mask:none/threads:1";
  try {
    require_memory({kFlash, huge}, 3);
    FAIL("accepted");
  } catch (const UsageError& error) {
    CHECK(contains(error.what(), "3 workers need about "));
    CHECK(contains(error.what(), " is available"));
  }
}

TEST_CASE("command lines are split as a shell does, and worker is added once", "[gate_output]") {
  using Words = std::vector<std::string>;
  CHECK(parse_worker_command("BASE", "build/attnbench").words == Words{"build/attnbench", "worker"});
  CHECK(parse_worker_command("BASE", "ssh 'my host' attnbench").words ==
        Words{"ssh", "my host", "attnbench", "worker"});
  CHECK(parse_worker_command("BASE", "x worker --plugin p.so").words == Words{"x", "worker", "--plugin", "p.so"});
  for (const char* bad : {"", "  ", "a 'b", "a; b", "a | b", "$(rm)", "$not_set_anywhere/x"})
    CHECK_THROWS_AS(parse_worker_command("BASE", bad), UsageError);
}

TEST_CASE("a trace of a run replays: equal builds stay equal, a scaled side is found", "[gate_output]") {
  const Folder folder;
  const std::string path = folder.file("trace.jsonl");
  const std::vector<std::string> names = {"case 0", "case 1", "case 2", "case 3", "case 4", "case 5"};
  std::vector<Pairing> pairings;
  for (const std::string& name : names) pairings.push_back({name, name, name});
  {
    SimulatedMachine machine({}, 3);
    const auto base = machine.add("base", names, {}), candidate = machine.add("candidate", names, {}),
               copy = machine.add("copy", names, {});
    const Arena arena{*base, *candidate, *copy, [&] { return machine.seconds(); }, [] { return false; }};
    TraceWriter writer(path);
    const Report recorded = run_gate(arena, pairings, {.max_seconds = 1e9, .fixed_rounds = 40}, writer);
    CHECK(recorded.cases[0].confirm.size() == 40);
    CHECK(recorded.cases[0].screen.empty());
  }
  const Trace trace = load_traces({path});
  CHECK(trace.cases.size() == names.size());
  REQUIRE(trace.rounds.size() == 40);
  const auto replay = [&](double factor, std::uint64_t seed) {
    ReplayMachine machine(trace, seed);
    const auto base = machine.add(true, {}), candidate = machine.add(false, {{"case 2", factor}}),
               copy = machine.add(false, {});
    const Arena arena{*base, *candidate, *copy, [&] { return machine.seconds(); }, [] { return false; }};
    Observer observer;
    return run_gate(arena, pairings, {.seed = seed, .turns = machine.turns()}, observer);
  };
  int found = 0, false_alarms = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    found += replay(1.05, seed).cases[2].judgement.verdict == Verdict::regressed;
    false_alarms += outcome_of(replay(1, seed)) == Outcome::regressed;
  }
  CHECK(found >= 48);
  CHECK(false_alarms == 0);
}

TEST_CASE("a file that is no trace is refused with its line", "[gate_output]") {
  const Folder folder;
  const std::string path = folder.file("trace.jsonl");
  const auto complaint = [&] {
    try {
      load_traces({path});
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(contains(complaint(), "cannot read "));
  std::ofstream(path) << "{\"null_arm\": true}\nnonsense\n";
  CHECK(contains(complaint(), "trace.jsonl:2: no line of a trace"));
  std::ofstream(path) << R"({"phase":"confirm","round":1,"case":"a","null_arm":false,"iterations":1,"blocks":[]})"
                      << "\n";
  CHECK(contains(complaint(), "a round without chunks"));
  std::ofstream(path) << "{\"null_arm\": true}\n";
  CHECK(contains(complaint(), "no full round of every case"));
}

TEST_CASE("a trace that cannot be written ends the run with its reason", "[gate_output]") {
  SimulatedMachine machine({}, 3);
  const auto base = machine.add("base", {"a"}, {}), candidate = machine.add("candidate", {"a"}, {}),
             copy = machine.add("copy", {"a"}, {});
  const Arena arena{*base, *candidate, *copy, [&] { return machine.seconds(); }, [] { return false; }};
  TraceWriter writer("/dev/full");
  const Report report = run_gate(arena, {{"a", "a", "a"}}, {}, writer);
  CHECK(contains(report.failure, "cannot write /dev/full"));
  CHECK(outcome_of(report) == Outcome::environment);
}

TEST_CASE("a comparison names the faster one, or that they are equal, in either direction", "[comparison]") {
  const auto [factor, winner] = GENERATE(table<double, Winner>({{1.08, Winner::a},
                                                                {1 / 1.08, Winner::b},
                                                                {1.0, Winner::neither},
                                                                {3.0, Winner::a},
                                                                {100.0, Winner::a},
                                                                {0.01, Winner::b}}));
  int right = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedMachine machine({}, seed);
    const auto a = machine.add("a", {"x"}, {}), b = machine.add("b", {"y"}, {.slower_everywhere = factor});
    const Arena arena{*a, *b, *a, [&] { return machine.seconds(); }, [] { return false; }};
    int shown = 0;
    const Comparison report = compare_cases(arena, {"", "x", "y"}, {.seed = seed}, [&](const Comparison&) { ++shown; });
    CHECK(shown == static_cast<int>(report.rounds.size()));
    CHECK(report.seconds < 31);
    right += report.winner == winner;
    if (report.winner == winner) CHECK(std::exp(report.size) == Approx(factor).epsilon(0.03));
  }
  CAPTURE(factor);
  CHECK(right >= 19);
}

TEST_CASE("a comparison favours neither who is launched nor who prepares first", "[comparison]") {
  Noise noise;
  (GENERATE(true, false) ? noise.last_launched : noise.first_prepared) = 0.02;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedMachine machine(noise, seed);
    const auto a = machine.add("a", {"x"}, {}), b = machine.add("b", {"x"}, {});
    const Arena arena{*a, *b, *a, [&] { return machine.seconds(); }, [] { return false; }};
    const Comparison report = compare_cases(arena, {"", "x", "x"}, {.seed = seed}, [](const Comparison&) {});
    CHECK((report.winner == Winner::neither || report.winner == Winner::unknown));
  }
}

TEST_CASE("a comparison counts a difference from half a percent", "[comparison]") {
  const ComparisonSettings settings;
  CHECK(winner_of(std::vector<double>(20, std::log(1.006)), settings.criteria) == Winner::a);
  CHECK(winner_of(std::vector<double>(20, -std::log(1.006)), settings.criteria) == Winner::b);
  CHECK(winner_of(std::vector<double>(20, std::log(1.004)), settings.criteria) == Winner::neither);
}

TEST_CASE("a comparison that time does not decide stays unknown; one of a fixed length has that length",
          "[comparison]") {
  SimulatedMachine machine({.launch = 0.2}, 1);
  const auto a = machine.add("a", {"x"}, {}), b = machine.add("b", {"y"}, {});
  const Arena arena{*a, *b, *a, [&] { return machine.seconds(); }, [] { return false; }};
  const Comparison report = compare_cases(arena, {"", "x", "y"}, {.max_seconds = 5}, [](const Comparison&) {});
  CHECK(report.winner == Winner::unknown);
  CHECK(report.seconds <= 6);
  CHECK(compare_cases(arena, {"", "x", "y"}, {.fixed_rounds = 5}, [](const Comparison&) {}).rounds.size() == 5);
}
