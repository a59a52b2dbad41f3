// What binds a row: the least time by each ceiling.
#include "results/roofs.hpp"

#include "catch.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

// 100 GFLOP/s, half a G vectors of 2^x a second; 64 KiB are in L2, 4 MiB in L3.
const Json kCeilings =
    Json::array({{{"isa", "avx2"},
                  {"threads", 1},
                  {"f32_fma", {{"flops_per_second", 100e9}}},
                  {"exp2", {{"vectors_per_second", 0.5e9}}},
                  {"read",
                   {{{"level", "L1"}, {"footprint_bytes", 16 << 10}, {"bytes_per_second", 200e9}},
                    {{"level", "L2"}, {"footprint_bytes", 256 << 10}, {"bytes_per_second", 100e9}},
                    {{"level", "L3"}, {"footprint_bytes", 16 << 20}, {"bytes_per_second", 50e9}},
                    {{"level", "memory"}, {"footprint_bytes", 128 << 20}, {"bytes_per_second", 25e9}}}}}});

// In `seconds` a call.
Json row_of(const std::string& problem, double seconds, const Json& more) {
  const std::string name = "attention/flash/avx2/" + problem + "/threads:1/real_time";
  Json row = {{"name", name}, {"run_name", name}};
  row["flops"] = static_cast<double>(flops(parse_case_name(name).workload)) / seconds;
  row.update(more);
  return row;
}

std::map<std::string, double> shares(const Json& row, const Json& ceilings = kCeilings) {
  std::map<std::string, double> shares;
  for (const Roof& roof : roofs_of(parse_case_name(row.at("name").get<std::string>()), row, ceilings))
    shares[roof.name] = roof.percent;
  return shares;
}

}  // namespace

TEST_CASE("a prefill is held against multiply-adds, one exponential per visible pair, and its tensors once",
          "[roofs]") {
  // 64 x 64 pairs of 4 x 16 FLOPs each: 2.62 us at the peak of one head. Exponentials: 512 vectors, 1.02 us. Tensors: 16 KiB
  // fit into L1: 0.082 us.
  const Json row = row_of("h:1/q:64/d:16", 5.243e-6, {{"pct_peak", 50.0}});
  const auto of = shares(row);
  REQUIRE(of.size() == 3);
  CHECK(of.at("fma") == Approx(50));
  CHECK(of.at("exp") == Approx(100 * 1.024 / 5.243).epsilon(0.01));
  CHECK(of.at("L1 read") == Approx(100 * 0.08192 / 5.243).epsilon(0.01));
  // A causal mask halves pairs and FLOPs alike, but for the diagonal.
  CHECK(shares(row_of("h:1/q:64/d:16/mask:causal", 2.7e-6, {{"pct_peak", 50.0}})).at("exp") ==
        Approx(19.5).epsilon(0.01));
  // Heads of 2 features are bound by their exponentials.
  Json small = row_of("h:8/q:64/d:2", 10e-6, {{"pct_peak", 26.2}});
  add_roofs(small, kCeilings);
  CHECK(small.at("binds") == "exp");
  CHECK(small.at("pct_roof").get<double>() == Approx(100 * 8.192 / 10).epsilon(0.01));
  CHECK(small.at("roofs").size() == 3);
}

TEST_CASE("decode is held against reading its keys and values, from where they fit", "[roofs]") {
  const Json share = {{"pct_peak", 12.0}, {"pct_bandwidth", 91.0}};
  CHECK(shares(row_of("h:8/q:1/k:64/d:64", 1e-6, share)).at("L2 read") == 91);
  CHECK(shares(row_of("h:8/q:1/k:1024/d:64", 1e-6, share)).at("L3 read") == 91);
  CHECK(shares(row_of("h:32/q:1/k:8192/d:128", 1e-6, share)).at("memory read") == 91);
  CHECK(shares(row_of("h:8/q:1/k:64/d:64/cache:cold", 1e-6, share)).at("memory read") == 91);
  CHECK(shares(row_of("h:8/q:1/k:64/d:64", 1e-6, share), Json::array()).at("read") == 91);
  Json row = row_of("h:8/q:1/k:1024/d:64", 1e-6, share);
  add_roofs(row, kCeilings);
  CHECK(row.at("binds") == "L3 read");
  CHECK(row.at("pct_roof") == 91);
}

TEST_CASE("arithmetic is named by the unit that its share is of", "[roofs]") {
  Json row = row_of("h:1/q:64/d:16/dtype:bf16", 1e-6,
                    {{"pct_peak", 40.0}, {"peak_unit", "bf16 tiles"}, {"pct_fma_peak", 300.0}});
  CHECK(shares(row).at("bf16 tiles") == 40);
  // What the exponentials take is known by the share of the FMA.
  CHECK(shares(row).at("exp") == Approx(300 * (512 / 0.5e9) / (4096 * 64 / 100e9)));
  CHECK(shares(row, Json::array()).size() == 1);
}

TEST_CASE("rows without figures have no roofs", "[roofs]") {
  for (Json row : {row_of("h:1/q:64/d:16", 1e-6, {{"error_occurred", true}, {"pct_peak", 50.0}}),
                   row_of("h:1/q:64/d:16", 1e-6, {{"aggregate_name", "stddev"}, {"pct_peak", 50.0}}),
                   row_of("h:1/q:64/d:16", 1e-6, {{"flops", 0.0}, {"pct_peak", 50.0}}),
                   row_of("h:1/q:64/d:16", 1e-6, {{"pct_peak", 0.0}})}) {
    add_roofs(row, Json::array());
    CHECK_FALSE(row.contains("binds"));
  }
}

}  // namespace attn::test
