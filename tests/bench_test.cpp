// The parts of the program that decide what is run and what a row is called.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "base/errors.hpp"
#include "cases/case.hpp"
#include "cases/case_options.hpp"
#include "cases/sweep.hpp"
#include "catch.hpp"
#include "commands/benchmark_flags.hpp"
#include "commands/commands.hpp"
#include "commands/plan.hpp"
#include "commands/turns_of_problem.hpp"
#include "folder.hpp"
#include "machine/installation.hpp"
#include "measure/layer_subject.hpp"
#include "measure/workbench.hpp"
#include "registry.hpp"
#include "results/result_file.hpp"
#include "select.hpp"
#include "support.hpp"

using namespace attn;
using namespace attn::bench;
using attn::test::Folder;

namespace {

const Variant& native(const char* name) { return *find_native(variant_table(), name); }

Case some_case(const char* workload = "h:4/hkv:2/q:17/d:8/mask:causal/fill:peaked", int threads = 1) {
  return {&native("naive"), parse_workload(workload), threads};
}

// naive, with a fault that no output of a layer shows.
void naive_and_beyond(const Args* args) {
  native("naive").run(args);
  const Problem& p = *args->problem;
  row_of<float>(args->o, p.batch - 1, p.heads - 1, p.seqlen_q - 1)[p.value_dim] = 0;
}

void naive_and_query(const Args* args) {
  native("naive").run(args);
  volatile float* q = const_cast<float*>(row_of<float>(args->q, 0, 0, 0));
  const float kept = *q;
  *q = 7;
  *q = kept;
}

Json row(const std::string& name) { return {{"name", name}, {"run_name", name}}; }

}  // namespace

TEST_CASE("a row name reads back as the case it names, whatever Google Benchmark appended", "[bench]") {
  const Case c = some_case("h:4/hkv:2/q:17/d:8/mask:causal/fill:peaked", 3);
  for (const char* suffix : {"", "/real_time", "/min_time:0.100/real_time", "/iterations:7/repeats:3/real_time",
                             "/real_time_median", "/process_time/real_time_cv", "/manual_time", "_mean"}) {
    const CaseName name = parse_case_name(case_name(c) + suffix);
    INFO(suffix);
    CHECK(name.variant == "naive");
    CHECK(name.isa == std::string(c.variant->isa));
    CHECK(name.workload == c.workload);
    CHECK(name.threads == 3);
  }
}

TEST_CASE("rows of layers are named for their form and read back", "[bench]") {
  const Case c = some_case("h:4/hkv:2/q:17/k:9/d:8/dropout:0.1/pass:both/layer:per_head");
  CHECK(case_name(c) == "layer/per_head/naive/" + std::string(c.variant->isa) +
                            "/b:1/h:4/hkv:2/q:17/k:9/d:8/dv:8/dtype:f32/mask:none/dropout:0.1/pass:both/threads:1");
  for (const char* text : {"h:4/hkv:2/q:17/k:9/d:8/dropout:0.1/pass:both/layer:per_head", "h:2/q:3/d:4/layer:fused",
                           "h:1/q:3/d:4/dmodel:9/pass:bwd/layer:single"}) {
    const CaseName name = parse_case_name(case_name(some_case(text)) + "/real_time");
    CHECK(name.workload == parse_workload(text));
    CHECK(case_name(name) == case_name(some_case(text)));
  }
  for (const char* name : {"layer/", "layer/fused/naive/sse2/threads:1",
                           "layer/double/naive/sse2/h:1/q:2/d:3/threads:1", "layer/naive/sse2/h:1/q:2/d:3/threads:1"})
    CHECK_THROWS_AS(parse_case_name(name), std::invalid_argument);
}

TEST_CASE("what is not a row name is refused", "[bench]") {
  for (const char* name :
       {"", "attention/", "attention/naive/sse2/threads:1", "BM_other/8/threads:1", "attention/naive/sse2/h:1/q:2/d:3",
        "attention/naive/sse2/h:1/q:2/d:3/threads:x", "attention/naive/sse2/h:1/q:2/d:3/threads:1/sideways",
        "attention/naive/sse2/q:2/d:3/threads:1"})
    CHECK_THROWS_AS(parse_case_name(name), std::invalid_argument);
}

TEST_CASE("an expression must match a whole variant name", "[bench]") {
  const std::vector<Workload> workloads = {parse_workload("h:1/q:4/d:4")};
  const Cases cases = select_cases({.variants = "naive,online_sof.*"}, workloads, variant_table());
  std::set<std::string> names;
  for (const Case& c : cases.run) names.insert(c.variant->name);
  CHECK(names == std::set<std::string>{"naive", "online_softmax"});
  CHECK_THROWS_AS(select_cases({.variants = "online"}, workloads, variant_table()), UsageError);
}

// std::regex ran out of stack, or for ever.
TEST_CASE("an expression of any size and form is answered", "[bench]") {
  const std::vector<Workload> workloads = {some_case().workload};
  const auto select = [&](const std::string& variants) {
    return select_cases({.variants = variants}, workloads, variant_table());
  };
  CHECK_THROWS_WITH(select(std::string(60000, '(')), Catch::Matchers::Contains("is no regular expression"));
  CHECK_THROWS_WITH(select("a{1000}{1000}{1000}"), Catch::Matchers::Contains("is no regular expression"));
  CHECK_THROWS_WITH(select("((((.*)*)*)*)*Q"), Catch::Matchers::Contains("matches no variant"));
  CHECK(!select("((((.*)*)*)*)*e").run.empty());
  CHECK_THROWS_AS(parse_case_name(case_name(some_case()) + "/" + std::string(200000, '1')), std::invalid_argument);
}

TEST_CASE("best resolves to the concrete row that select names, once", "[bench]") {
  const Workload workload = parse_workload("h:2/q:64/d:32");
  const Cases cases = select_cases({.variants = "best,.*"}, {workload}, variant_table());
  std::set<std::string> names;
  for (const Case& c : cases.run) CHECK(names.insert(case_name(c)).second);
  const Cases best = select_cases({.variants = "best"}, {workload}, variant_table());
  REQUIRE(best.run.size() == 1);
  CHECK(best.run[0].variant == &select(workload.problem, 1));
}

TEST_CASE("best of named ISAs is chosen among the rows of each, and of native among the native ones", "[bench]") {
  const std::vector<Workload> workloads = {parse_workload("h:2/q:64/d:32")};
  const std::string isa = runnable(variant_table()).front()->isa;
  const Cases named = select_cases({.variants = "best", .isa = isa}, workloads, variant_table());
  REQUIRE(named.run.size() == 1);
  CHECK(named.run[0].variant->isa == isa);
  std::set<std::string> isas, chosen;
  for (const Variant* row : runnable(variant_table()))
    if (test::takes_f32(*row)) isas.insert(row->isa);
  for (const Case& c : select_cases({.variants = "best", .isa = "all"}, workloads, variant_table()).run)
    chosen.insert(c.variant->isa);
  CHECK(chosen == isas);
}

TEST_CASE("best takes a measured choice, and a problem that nothing can compute is skipped", "[bench]") {
  const Workload workload = parse_workload("h:2/q:64/d:32");
  const Choices choices = {{workload.problem, 1, isa_of(native("naive")), "naive"}};
  const Cases best = select_cases({.variants = "best", .choices = choices}, {workload}, variant_table());
  REQUIRE(best.run.size() == 1);
  CHECK(best.run[0].variant == &native("naive"));
  const std::vector<const Variant*> only_naive = {&native("naive")};
  const Cases none = select_cases({.variants = "best", .threads = "2"}, {workload}, only_naive);
  CHECK(none.run.empty());
  REQUIRE(none.skipped.size() == 1);
  CHECK(none.skipped[0].text.find("no variant can compute") != std::string::npos);
}

TEST_CASE("a peer that is absent is a skipped case with the reason, and one that was not asked for a hint", "[bench]") {
  const std::vector<Workload> workloads = {parse_workload("h:2/q:64/d:32"), parse_workload("h:2/q:65/d:32")};
  const Guests guests = {.present = {}, .absent = {{"torch", "not found; get it"}}};
  const Cases cases =
      select_cases({.variants = "naive,torch", .threads = "1", .guests = guests}, workloads, variant_table());
  CHECK(cases.run.size() == 2);
  REQUIRE(cases.skipped.size() == 2);
  for (const Skipped& s : cases.skipped) {
    CHECK(parse_case_name(s.name).variant == "torch");
    CHECK(s.text == "not found; get it");
  }
  CHECK(select_cases({.variants = "naive", .guests = guests}, workloads, variant_table()).skipped.empty());
  const std::string name = known_peers().at(0).name;
  std::string complaint;
  try {
    select_cases({.variants = name}, workloads, variant_table());
  } catch (const UsageError& error) {
    complaint = error.what();
  }
  CHECK(complaint.find(name + " is a peer: add --peers") != std::string::npos);
}

TEST_CASE("a kernel of other elements is no news, unless it was asked for", "[bench]") {
  const std::vector<Workload> workloads = {parse_workload("h:2/q:64/d:32/dtype:bf16")};
  const std::vector<const Variant*> table = {&native("naive"), &native("vectorized")};
  const auto skipped = [&](const Selection& selection) { return select_cases(selection, workloads, table).skipped; };
  CHECK(skipped({}).empty());
  for (const Selection& asked :
       {Selection{.variants = "naive,vectorized"}, Selection{.guests = {{"vectorized"}, {}}}}) {
    REQUIRE(skipped(asked).size() == 1);
    CHECK(skipped(asked)[0].text == "vectorized does not support: bf16");
  }
}

TEST_CASE("what is measured, and when, is not left to Google Benchmark; the rest is passed on", "[bench]") {
  const BenchmarkFlags flags =
      parse_benchmark_flags({"--benchmark_min_time=2", "--benchmark_repetitions=4", "--benchmark_filter=naive",
                             "--benchmark_min_warmup_time=1", "--benchmark_enable_random_interleaving=true",
                             "--benchmark_report_aggregates_only=Yes", "--benchmark_display_aggregates_only=0",
                             "--benchmark_time_unit=ms", "--v=1"});
  CHECK(flags.min_time_seconds == 2);
  CHECK(flags.repetitions == 4);
  CHECK(flags.filter == "naive");
  CHECK(flags.warmup_seconds == 1);
  CHECK(flags.aggregates.file_too);
  CHECK_FALSE(flags.aggregates.display);
  CHECK(flags.passed_on == std::vector<std::string>{"--benchmark_time_unit=ms", "--v=1"});
  CHECK(parse_benchmark_flags({}).repetitions == 0);
  CHECK_THROWS_AS(parse_benchmark_flags({"--benchmark_list_tests=perhaps"}), UsageError);
  CHECK_THROWS_AS(parse_benchmark_flags({"--benchmark_perf_counters=CYCLES"}), UsageError);
}

TEST_CASE("a team is refused to a variant that knows no threads, with the reason", "[bench]") {
  const Cases cases =
      select_cases({.variants = "naive", .threads = "1,2"}, {parse_workload("h:2/q:8/d:4")}, variant_table());
  CHECK(cases.run.size() == 1);
  REQUIRE(cases.skipped.size() == 1);
  CHECK(cases.skipped[0].text == "naive does not support: threads");
}

TEST_CASE("the plan leaves out the dearest cases until the budget is kept", "[bench]") {
  const std::vector<Workload> workloads = {parse_workload("h:1/q:16/d:8"), parse_workload("h:1/q:600/d:64")};
  const Cases cases = select_cases({.variants = "naive,vectorized"}, workloads, variant_table());
  Limits limits{.min_time_seconds = 0.05, .memory_bytes = std::int64_t{1} << 40};
  const Plan whole = make_plan(cases, limits);
  REQUIRE(whole.cases.size() == 4);
  limits.budget_seconds = whole.total_seconds * 0.6;
  const Plan cut = make_plan(cases, limits);
  CHECK(!cut.cases.empty());
  CHECK(cut.cases.size() < 4);
  CHECK(cut.total_seconds <= limits.budget_seconds);
  REQUIRE(cut.skipped.size() == 4 - cut.cases.size());
  CHECK(cut.skipped[0].text.find("over the time budget") != std::string::npos);
}

TEST_CASE("a sweep of very many shapes is planned, grouped and cut to its budget", "[bench]") {
  constexpr int kShapes = 20000;
  std::vector<Workload> workloads;
  for (int i = 0; i < kShapes; ++i)
    workloads.push_back(parse_workload(fmt::format("h:1/q:{}/k:{}/d:4", i % 200 + 1, i / 200 + 1)));
  const Cases cases = select_cases({.variants = "naive"}, workloads, variant_table());
  REQUIRE(cases.run.size() == kShapes);
  Limits limits{.min_time_seconds = 0.05, .memory_bytes = std::int64_t{1} << 40};
  const Plan whole = make_plan(cases, limits);
  CHECK(groups_of(whole.cases).size() == kShapes);
  limits.budget_seconds = whole.total_seconds / 10;
  const Plan cut = make_plan(cases, limits);
  CHECK(cut.total_seconds <= limits.budget_seconds);
  CHECK(cut.cases.size() > kShapes / 100);
  CHECK(cut.cases.size() + cut.skipped.size() == kShapes);
}

TEST_CASE("a case beyond memory or the case limit is skipped with its figures", "[bench]") {
  const Cases cases = select_cases({.variants = "naive"}, {parse_workload("h:1/q:256/d:64")}, variant_table());
  const Plan small = make_plan(cases, {.memory_bytes = 1000});
  REQUIRE(small.skipped.size() == 1);
  CHECK(small.skipped[0].text.find("GiB is available") != std::string::npos);
  const Plan quick = make_plan(cases, {.max_case_seconds = 1e-9, .memory_bytes = std::int64_t{1} << 40});
  REQUIRE(quick.skipped.size() == 1);
  CHECK(quick.skipped[0].text.find("--max-case-seconds") != std::string::npos);
}

TEST_CASE("the core of a layer is held to what it may write", "[bench]") {
  const auto [run, failure] = GENERATE(table<void (*)(const Args*), std::string>(
      {{naive_and_beyond, "it wrote 4 bytes past the end of o, row 32 of head 1"},
       {naive_and_query, "it wrote to an input"}}));
  Variant faulty = *find_native(variant_table(), "naive");
  faulty.run = run;
  const Case c{&faulty, parse_workload("h:2/q:33/d:16/layer:fused"), 1};
  Workbench bench(1);
  CHECK(bench.prepare(c).verdict().failure == "as the core of the layer, called by itself: " + failure);
}

TEST_CASE("an input written in a later call is found after the calls", "[bench]") {
  static int calls;
  calls = 0;
  Variant faulty = native("naive");
  faulty.run = [](const Args* args) {
    native("naive").run(args);
    if (++calls > 2) *const_cast<float*>(row_of<float>(args->v, 0, 0, 0)) += 1;
  };
  Workbench bench(1);
  PreparedCase& prepared = bench.prepare({&faulty, parse_workload("h:2/q:33/d:16"), 1});
  REQUIRE(prepared.verdict().passed);
  prepared.begin_calls();
  prepared.call(), prepared.call();
  prepared.check_again();
  CHECK(prepared.verdict().failure == "it wrote to an input");
}

TEST_CASE("what ran is told by the state that ran, though inputs that changed back have made another", "[bench]") {
  Variant library = native("naive");
  library.prepare = [](const Args*) -> void* { return new const char*(nullptr); };
  library.run = [](const Args* args) {
    native("naive").run(args);
    *static_cast<const char**>(args->state) = "three loops";
  };
  library.what_ran = [](const Args* args) { return *static_cast<const char**>(args->state); };
  library.release = [](void* state) { delete static_cast<const char**>(state); };
  Workbench bench(1);
  PreparedCase& prepared = bench.prepare({&library, parse_workload("h:2/q:33/d:16"), 1});
  REQUIRE(prepared.verdict().passed);
  prepared.begin_calls();
  prepared.change_inputs();
  prepared.call();
  prepared.check_again();
  CHECK(prepared.what_ran() == "three loops");
}

TEST_CASE("a layer that wrote to its inputs is wrong", "[bench]") {
  const Workload w = parse_workload("h:2/q:33/d:16/layer:fused");
  LayerWorkload workload(w, 1);
  LayerSubject subject({find_native(variant_table(), "naive"), w, 1}, workload);
  subject.call();
  CHECK(subject.damage().empty());
  LayerInputs& inputs = const_cast<LayerInputs&>(workload.inputs());
  for (std::vector<float>* values : {&inputs.x.data, &inputs.dy.data, &inputs.weights.in.weight,
                                     &inputs.weights.out.weight, &inputs.weights.out.bias}) {
    const float kept = std::exchange(values->back(), 3.0f);
    CHECK(subject.damage() == "the layer wrote to its inputs or weights");
    values->back() = kept;
    CHECK(subject.damage().empty());
  }
}

TEST_CASE("memory is estimated at no less than what a case allocates", "[bench]") {
  // Large enough that what else a process allocates is little beside it; few queries, for the oracle's sake.
  const Case c = some_case("h:8/q:4/k:32768/d:128/lse:1");
  const auto resident = [] {
    std::int64_t pages = 0, of_them = 0;
    std::ifstream("/proc/self/statm") >> pages >> of_them;
    return of_them * sysconf(_SC_PAGESIZE);
  };
  const std::int64_t before = resident();
  Workbench bench(1);
  CHECK(bench.prepare(c).verdict().passed);
  const double grown = static_cast<double>(resident() - before);
  const double needed = static_cast<double>(Workbench::bytes_needed(c));
  CAPTURE(grown, needed);
  CHECK(grown > minimal_bytes(c.workload.problem) / 2);
#if !defined(__SANITIZE_ADDRESS__)  // which keeps what was freed, up to 256 MiB, and has an eighth of its own
  CHECK(grown < 1.15 * needed + (1 << 23));
#endif
  CHECK(needed < 3 * grown);  // nor is it so much that what would fit is refused
}

TEST_CASE("a result file is whole after every row", "[bench]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  ResultFile file(path);
  file.set_context({{"seed", "1"}});
  for (const std::size_t rows : {1u, 2u}) {
    file.add_rows(Json::array({row(case_name(some_case()) + "/real_time")}));
    CHECK(Json::parse(std::ifstream(path)).at("benchmarks").size() == rows);
  }
}

TEST_CASE("a result file of megabytes is whole at the end, however seldom it is written", "[bench]") {
  constexpr std::size_t kRows = 40;
  const Folder folder;
  const std::string path = folder.file("x.json");
  for (const bool completed : {true, false}) {
    ResultFile file(path);
    file.set_context({{"seed", "1"}, {"long", std::string(std::size_t{2} << 20, 'x')}});
    for (std::size_t i = 0; i < kRows; ++i)
      file.add_rows(
          Json::array({row(case_name(some_case(("h:1/d:2/q:" + std::to_string(i + 1)).c_str())) + "/real_time")}));
    if (completed) {
      file.complete();
      CHECK(Json::parse(std::ifstream(path)).at("benchmarks").size() == kRows);
    }
  }
  CHECK(Json::parse(std::ifstream(path)).at("benchmarks").size() == kRows);
}

TEST_CASE("rows of a group that was interrupted are measured anew on resuming", "[bench]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  const std::string whole = case_name(some_case()), begun = case_name(some_case("h:1/q:5/d:2"));
  {
    ResultFile file(path);
    file.set_context({{"seed", "1"}});
    Json interrupted = row(begun + "/real_time");
    interrupted["interrupted"] = true;
    file.add_rows(Json::array({row(whole + "/real_time"), interrupted}));
  }
  ResultFile resumed(path);
  resumed.resume({{"seed", "1"}});
  CHECK(resumed.finished() == std::set<std::string>{whole});
  CHECK(resumed.document().at("benchmarks").size() == 1);
}

TEST_CASE("a run with another identity, or nothing to resume, is refused", "[bench]") {
  const Folder folder;
  const std::string path = folder.file("x.json");
  ResultFile file(path);
  CHECK_THROWS_AS(file.resume({}), UsageError);
  file.set_context({{"seed", "1"}});
  CHECK_THROWS_AS(ResultFile(path).resume({{"seed", "2"}}), UsageError);
  std::ofstream(path) << "[1, 2";
  CHECK_THROWS_AS(ResultFile(path).resume({{"seed", "1"}}), UsageError);
  CHECK_THROWS_AS(ResultFile(folder.file("absent/x.json")), UsageError);
}

TEST_CASE("every sweep of ours loads, names each shape once, has a budget, and says where shapes come from",
          "[bench]") {
  std::size_t sweeps = 0;
  for (const auto& entry : std::filesystem::directory_iterator(sweep_folder())) {
    const Sweep sweep = load_sweep(entry.path());
    INFO(entry.path().string());
    ++sweeps;
    CHECK_FALSE(sweep.title.empty());
    CHECK(sweep.budget_seconds > 0);
    CHECK(sweep.min_time_seconds > 0);
    std::set<std::string> shapes;
    for (const SweepProblem& problem : sweep.problems) {
      CHECK(shapes.insert(to_string(problem.workload)).second);
      CHECK_FALSE(problem.source.empty());
    }
  }
  CHECK(sweeps >= 10);
}

TEST_CASE("a problem of a sweep may choose variants, ISAs and threads of its own", "[bench]") {
  const Folder folder;
  const std::string file = folder.file("own.toml");
  const std::string baseline = variant_table()[0]->isa;  // runs everywhere
  std::ofstream(file) << fmt::format(R"(
title = "t"
budget_seconds = 1
min_time_seconds = 0.1
variants = ["naive"]
isas = ["{0}"]
[[problem]]
problem = "h:1/q:2/d:4"
model = "m"
source = "s"
[[problem]]
problem = "h:1/q:3/d:4"
model = "m"
source = "s"
variants = ["flash"]
threads = [1, 2]
)",
                                     baseline);
  const auto names = [&](CaseOptions options) {
    options.sweeps = {file};
    std::set<std::string> names;
    for (const Case& c : expand_cases(options, variant_table(), "1").run)
      names.insert(fmt::format("{}/{}/q:{}/threads:{}", c.variant->name, c.variant->isa, c.workload.problem.seqlen_q,
                               c.threads));
    return names;
  };
  CHECK(names({}) == std::set<std::string>{"naive/" + baseline + "/q:2/threads:1",
                                           "flash/" + baseline + "/q:3/threads:1",
                                           "flash/" + baseline + "/q:3/threads:2"});
  CaseOptions native_only;
  native_only.isa = "native";
  native_only.threads = "1";
  const std::string best = native("flash").isa;
  CHECK(names(native_only) ==
        std::set<std::string>{"naive/" + best + "/q:2/threads:1", "flash/" + best + "/q:3/threads:1"});
}
