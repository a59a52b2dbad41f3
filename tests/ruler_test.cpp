// The ruler at work, without judging any time: what a row gets, what the table says of it, what it counts.
#include "measure/ruler.hpp"

#include <omp.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "catch.hpp"
#include "machine/team.hpp"
#include "measure/measurement.hpp"
#include "registry.hpp"
#include "results/table.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

Case case_of(const char* workload) { return {find_native(variant_table(), "naive"), parse_workload(workload), 1}; }

// Elements of a tensor by address, and how often its spans cover each.
std::map<const std::byte*, int> coverage(const TensorView& view) {
  const std::int64_t element = element_of(view.dtype).bytes;
  std::map<const std::byte*, int> covered;
  for (std::int64_t b = 0; b < view.shape[0]; ++b)
    for (std::int64_t h = 0; h < view.shape[1]; ++h)
      for (std::int64_t i = 0; i < view.shape[2]; ++i)
        for (std::int64_t d = 0; d < view.shape[3]; ++d) covered[bytes_of_row(view, b, h, i) + d * element] = 0;
  for (const ReadSpan& span : spans_of(view))
    for (std::int64_t row = 0; row < span.rows; ++row)
      for (std::int64_t byte = 0; byte < span.row_bytes; byte += element)
        ++covered[span.data + row * span.stride_bytes + byte];
  return covered;
}

void spin(std::chrono::milliseconds time) {
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < time) {
  }
}

Json row(const char* variant, const char* problem, Json counters) {
  const std::string name = std::string("attention/") + variant + "/sse2/" + problem + "/threads:1/real_time";
  Json row = {{"name", name}, {"run_name", name}, {"flops", 2e9}, {"max_scaled_err", 1e-7}};
  row.update(counters);
  return row;
}

std::string table_of(const Json& rows) {
  return format_table({{"context", Json::object()}, {"benchmarks", rows}}, {}, {});
}

}  // namespace

TEST_CASE("the spans of a tensor cover each of its elements once and nothing else", "[ruler]") {
  const auto layout = GENERATE("bhsd", "bshd", "packed");
  const auto dtype = GENERATE("f32", "bf16", "f16");
  const Workload w = parse_workload(std::string("b:2/h:4/hkv:2/q:5/d:3/layout:") + layout + "/dtype:" + dtype);
  const Inputs inputs(w.problem, w.setup, 1);
  for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v}) {
    TensorView view = inputs.tensors().*tensor;
    for (const std::int64_t rows : {5, 3, 1}) {  // fewer rows than there are, as of a window
      view.shape[2] = rows;
      for (const auto& [address, count] : coverage(view)) REQUIRE(count == 1);
    }
  }
  CHECK(spans_of(inputs.tensors().k).size() == 1);
}

TEST_CASE("only few queries make a decode row", "[ruler]") {
  CHECK(is_decode(parse_problem("h:32/hkv:8/q:1/k:4096/d:128")));
  CHECK(is_decode(parse_problem("h:1/q:15/d:64")));
  CHECK(!is_decode(parse_problem("h:1/q:16/d:64")));
}

TEST_CASE("a case has a share of peak, decode a share of bandwidth too", "[ruler]") {
  const auto [workload, decode] = GENERATE(table<const char*, bool>({{"h:2/q:40/d:16", false},
                                                                     {"h:2/q:1/k:300/d:16", true},
                                                                     {"h:2/q:3/k:300/d:16/window:20,0", true},
                                                                     {"h:2/q:1/k:300/d:16/dtype:bf16", true},
                                                                     {"h:2/hkv:1/q:8/d:16/layout:bshd", true}}));
  CAPTURE(workload);
  const Case c = case_of(workload);
  Workbench bench(1);
  PreparedCase& prepared = bench.prepare(c);
  Ruler ruler(c, prepared);
  CHECK(!ruler.pct_fma_peak());
  ruler.begin_slice();
  for (int call = 0; call < 2000; ++call) {
    prepared.call();
    if (!ruler.slice_is_full()) continue;
    if (ruler.end_slice()) ruler.measure_ceilings();
    ruler.begin_slice();
  }
  ruler.finish();
  REQUIRE(ruler.pct_fma_peak());
  CHECK(std::isfinite(*ruler.pct_fma_peak()));
  CHECK(*ruler.pct_fma_peak() > 0);
  CHECK(ruler.pct_bandwidth().has_value() == decode);
  if (decode) CHECK(*ruler.pct_bandwidth() > 0);
}

TEST_CASE("a unit of its own is measured beside the f32 FMA, and the faster one is the row's", "[ruler]") {
  const Case c = case_of("h:2/q:40/d:16");
  Workbench bench(1);
  PreparedCase& prepared = bench.prepare(c);
  const Probe* fma = peak_probes(c).fma;
  REQUIRE(fma != nullptr);
  CHECK(peak_probes(c).own == nullptr);
  // The FMA's own loop, said to do as many times the work: a unit that is so much faster.
  Probe own = *fma;
  const auto [times, share] = GENERATE(table<std::int64_t, double>({{16, 1 / 16.0}, {1, 1}}));
  own.work_per_round *= times;
  Ruler ruler(c, prepared, {.fma = fma, .own = &own});
  const auto begin = std::chrono::steady_clock::now();
  ruler.begin_slice();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(60)) {
    prepared.call();
    if (!ruler.slice_is_full()) continue;
    if (ruler.end_slice()) ruler.measure_ceilings();
    ruler.begin_slice();
  }
  ruler.finish();
  REQUIRE(ruler.pct_fma_peak());
  REQUIRE(ruler.pct_own_peak());
  // Of two measurements of one loop, which a neighbour may slow down by any factor below that of the units.
  const double ratio = *ruler.pct_own_peak() / *ruler.pct_fma_peak();
  CHECK(ratio > share / 8);
  CHECK(ratio < share * 8);
}

TEST_CASE("shares are of the unit that was faster in most turns, by more than noise", "[ruler]") {
  Variant tiled = *case_of("h:2/q:40/d:16").variant;
  tiled.isa = "amx";
  const auto unit = [&](const char* dtype, const std::vector<std::pair<double, double>>& turns) {
    std::vector<Measurement> measured(turns.size());
    for (std::size_t i = 0; i < turns.size(); ++i) {
      measured[i].pct_fma_peak = turns[i].first;
      measured[i].pct_own_peak = turns[i].second;
    }
    return std::string(
        fastest_unit({&tiled, parse_workload(std::string("h:2/q:40/d:16/dtype:") + dtype), 1}, measured).name);
  };
  CHECK(unit("bf16", {{400, 50}}) == "bf16 tiles");
  CHECK(unit("bf16", {{400, 50}, {40, 50}, {390, 50}}) == "bf16 tiles");
  CHECK(unit("bf16", {{50, 50}, {55, 50}, {90, 30}}) == "f32 FMA");  // as fast, but for noise
  CHECK(unit("bf16", {{20, 50}}) == "f32 FMA");
  CHECK(unit("bf16", {}) == "f32 FMA");
  CHECK(unit("f32", {{400, 50}}) == "f32 FMA");
  CHECK(unit("f16", {{400, 50}}) == "f32 FMA");
  tiled.isa = "avx512bf16";
  CHECK(unit("bf16", {{100, 50}}) == "bf16 dot");
  CHECK(unit("bf16", {{52, 50}}) == "f32 FMA");
  tiled.isa = "avx512";
  CHECK(unit("bf16", {{100, 50}}) == "f32 FMA");
}

TEST_CASE("shares travel from a worker as they were measured", "[ruler]") {
  Measurement m;
  m.verdict = Verdict{.passed = true};
  m.pct_fma_peak = 400;
  CHECK(measurement_from(to_json(m)).pct_fma_peak == 400);
  CHECK_FALSE(measurement_from(to_json(m)).pct_own_peak.has_value());
  m.pct_own_peak = 50;
  CHECK(measurement_from(to_json(m)).pct_own_peak == 50);
}

TEST_CASE("one short call has its shares as well, and a row that reads no key none of bandwidth", "[ruler]") {
  for (const auto& [workload, decode] : {std::pair{"h:1/q:1/k:5/d:2", true},
                                         {"h:1/q:1/k:5/d:2/window:-1,0", true},
                                         {"h:1/q:2/k:1/d:2/window:0,0", true}}) {
    const Case c = case_of(workload);
    Workbench bench(1);
    PreparedCase& prepared = bench.prepare(c);
    Ruler ruler(c, prepared);
    ruler.begin_slice();
    prepared.call();
    if (ruler.slice_is_full()) ruler.end_slice();
    ruler.begin_slice();
    ruler.finish();
    CAPTURE(workload);
    CHECK(ruler.pct_fma_peak().has_value());
    CHECK(ruler.pct_bandwidth().has_value() == decode);
  }
}

TEST_CASE("the table shows decode rows by bandwidth and marks a fault of the ruler", "[ruler]") {
  // Json::array, since braces around one Json make a copy of it with Clang and an array with GCC.
  const Json sound = Json::array({row("naive", "h:1/q:64/d:8", {{"pct_peak", 12.0}}),
                                  row("naive", "h:1/q:1/k:64/d:8", {{"pct_peak", 3.0}, {"pct_bandwidth", 45.0}})});
  CHECK(contains(table_of(sound), "2.0 12.0%\n"));
  CHECK(contains(table_of(sound), "2.0 45.0%b\n"));
  CHECK(contains(table_of(sound), "%b       of how fast"));
  CHECK(!contains(table_of(sound), "!"));
  const Json faulty = Json::array({row("naive", "h:1/q:64/d:8", {{"pct_peak", 100.1}})});
  CHECK(contains(table_of(faulty), "100.1%!"));
  CHECK(contains(table_of(faulty), "!        above 100 %"));
  const Json faulty_decode =
      Json::array({row("naive", "h:1/q:1/k:64/d:8", {{"pct_peak", 3.0}, {"pct_bandwidth", 130.0}})});
  CHECK(contains(table_of(faulty_decode), "130.0%b!"));
  CHECK(contains(table_of(faulty_decode), "!        above 100 %"));
}

TEST_CASE("every recorded result file is still readable", "[ruler]") {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ATTN_RESULTS_DIR)) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path());
    const Json document = Json::parse(std::ifstream(entry.path()));
    if (!document.contains("benchmarks")) continue;
    CHECK(contains(format_table(document, {}, {}), "GFLOP/s"));
    ++files;
  }
  CHECK(files > 0);
}

TEST_CASE("threads that work are counted, teams that spin on from before are not", "[ruler]") {
#pragma omp parallel num_threads(3)
  spin(std::chrono::milliseconds(1));
  wait_for_resting_teams();
  const TeamClock alone;
  spin(std::chrono::milliseconds(5));
  CHECK(alone.threads_used() <= 1);
  const TeamClock together;
#pragma omp parallel num_threads(3)
  spin(std::chrono::milliseconds(20));
  CHECK((together.threads_used() == 3 || together.threads_used() == 0));
}

TEST_CASE("a rate that no unit of the machine reaches was not computed", "[ruler]") {
  const Case c = case_of("h:8/q:1024/d:64");
  constexpr std::int64_t kCalls = 100;
  Measurement m;
  // What is said of a rate, and of a share of the ceilings beside it.
  const auto reason = [&](double flops_per_second, double percent) {
    m.wall_seconds = kCalls * static_cast<double>(flops(c.workload)) / flops_per_second;
    m.pct_fma_peak = percent;
    return why_impossible(c, m, kCalls);
  };
  CHECK(why_impossible(c, m, kCalls) == "");
  CHECK(contains(reason(1e17, 1e6), "it did not compute: 1e+08 GFLOP/s"));
  m.pct_own_peak = 150;  // of the unit that the kernel uses
  CHECK(reason(1e17, 1e6) == "");
  m.pct_own_peak = 1e6;
  CHECK(contains(reason(1e17, 1e6), "it did not compute"));
  m.pct_own_peak.reset();
  CHECK(reason(1e6, 1e6) == "");  // the ruler's fault; an emulated machine reaches some 1e8
  CHECK(reason(1e17, 150) == "");
}

}  // namespace attn::test
