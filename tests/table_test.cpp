// The table of a run: what it says of rows beside their figures.
#include "results/table.hpp"

#include "catch.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

Json row(const std::string& variant, double gflops, const Json& more = Json::object()) {
  const std::string name = "attention/" + variant + "/sse2/h:1/q:64/d:8/threads:1/real_time";
  Json row = {
      {"name", name}, {"run_name", name}, {"flops", gflops * 1e9}, {"max_scaled_err", 1e-7}, {"pct_peak", 50.0}};
  row.update(more);
  return row;
}

std::string table_of(const std::vector<Json>& rows, const Json& context = Json::object()) {
  return format_table({{"context", context}, {"benchmarks", Json(rows)}}, {}, false);
}

}  // namespace

TEST_CASE("the table tells the fastest from those that are level with it and those behind", "[table]") {
  const std::string text = table_of({row("a", 10, {{"standing", "fastest"}}), row("b", 9.9, {{"standing", "level"}}),
                                     row("c", 5, {{"standing", "behind"}})});
  CHECK(contains(text, "10.0 50.0%*"));
  CHECK(contains(text, "9.9 50.0%="));
  CHECK(contains(text, "5.0 50.0%  "));
  CHECK(contains(text, "=: level with it"));
  CHECK_FALSE(contains(table_of({row("a", 10)}), "level with it"));
}

TEST_CASE("a result that is wrong is told from a case that could not be measured", "[table]") {
  const Json error = {{"error_occurred", true}, {"error_message", "its worker hung"}};
  const auto with = [&](const char* reason) {
    Json more = error;
    more["reason"] = reason;
    return table_of({row("a", 0, more)});
  };
  CHECK(contains(with("wrong"), "WRONG"));
  CHECK(contains(with("failed"), "FAILED"));
  CHECK_FALSE(contains(with("hung"), "WRONG"));
  CHECK(contains(with("crashed"), "CRASHED"));
}

TEST_CASE("marks are told below the table with the rows that have them", "[table]") {
  const std::string text =
      table_of({row("a", 10, {{"marks", {{"unsteady", "its passes differ by 31 %"}}}}),
                row("b", 9, {{"marks", {{"oversubscribed", "2 threads on 1 CPU"}}}}), row("c", 8, Json::object())});
  CHECK(contains(text, "10.0 50.0%~"));
  CHECK(contains(text, "~ oversubscribed: 2 threads on 1 CPU (1 row): b/sse2 h:1/q:64/d:8"));
  CHECK(contains(text, "~ unsteady"));
  CHECK(contains(text, "8.0 50.0%"));
}

TEST_CASE("a rate well under share x peak says that the machine was disturbed", "[table]") {
  const Json peak = {
      {"ceilings",
       {{{"isa", "sse2"}, {"threads", 2}, {"f32_fma", {{"flops_per_second", 80e9}}}},
        {{"isa", "sse2"}, {"threads", 1}, {"f32_fma", {{"flops_per_second", 40e9}}}, {"bf16_amx", nullptr}}}}};
  CHECK(contains(table_of({row("a", 12.4), row("b", 19)}, peak),
                 "disturbed: rates reached 62 % of share x peak in 1 of 2 rows"));
  CHECK(contains(table_of({row("a", 12.4), row("b", 15.6)}, peak), "reached 62 to 78 % of share x peak in 2 of 2"));
  CHECK_FALSE(contains(table_of({row("a", 19)}, peak), "disturbed:"));
  CHECK_FALSE(contains(table_of({row("a", 1)}), "disturbed:"));
}

TEST_CASE("a case of many turns is its median, with half their range", "[table]") {
  std::vector<Json> rows;
  for (const double rate : {9.0, 10.0, 11.0}) rows.push_back(row("a", rate));
  Json median = row("a", 10, {{"aggregate_name", "median"}});
  median["name"] = median["run_name"].get<std::string>() + "_median";
  rows.push_back(median);
  const std::string text = table_of(rows);
  CHECK(contains(text, "10.0 50.0%"));
  CHECK(contains(text, "+-10%"));
  CHECK_FALSE(contains(text, "11.0"));
}

}  // namespace attn::test
