// The table of a run: what it says of rows beside their figures.
#include "results/table.hpp"

#include <fmt/format.h>

#include "base/slices.hpp"
#include "base/split.hpp"
#include "base/window.hpp"
#include "catch.hpp"
#include "results/exports.hpp"
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
  return format_table({{"context", context}, {"benchmarks", Json(rows)}}, {}, {});
}

}  // namespace

TEST_CASE("the table tells the fastest from those that are level with it and those behind", "[table]") {
  const std::string text = table_of({row("a", 10, {{"standing", "fastest"}}), row("b", 9.9, {{"standing", "level"}}),
                                     row("c", 5, {{"standing", "behind"}})});
  CHECK(contains(text, "\n* a "));
  CHECK(contains(text, "\n= b "));
  CHECK(contains(text, "\n  c "));
  CHECK(contains(text, "level with it"));
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

TEST_CASE("what int8 changed has a column where a row has it", "[table]") {
  const std::string text = table_of({row("a", 10, {{"quantisation_err", 3e-3}})});
  CHECK(contains(text, "of int8"));
  CHECK(contains(text, "3e-03"));
  CHECK(contains(text, "before they were quantised"));
  CHECK_FALSE(contains(table_of({row("a", 10)}), "int8"));
}

TEST_CASE("what binds a row is told where a row knows it and there is room", "[table]") {
  const std::string text = table_of({row("a", 10, {{"binds", "L3 read"}, {"pct_roof", 91.3}}), row("b", 9)});
  CHECK(contains(text, "  binds\n"));
  CHECK(contains(text, "  L3 read 91%\n"));
  CHECK(contains(text, "takes the most time at least"));
  CHECK_FALSE(contains(table_of({row("a", 10)}), "binds"));
}

TEST_CASE("marks are told below the table with the rows that have them", "[table]") {
  const std::string text =
      table_of({row("a", 10, {{"marks", {{"unsteady", "its passes differ by 31 %"}}}}),
                row("b", 9, {{"marks", {{"oversubscribed", "2 threads on 1 CPU"}}}}), row("c", 8, Json::object())});
  CHECK(contains(text, "50.0%~"));
  CHECK(contains(text, "~ oversubscribed: 2 threads on 1 CPU (1 row)"));
  CHECK(contains(text, "~ unsteady"));
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

TEST_CASE("a share that is not of the f32 FMA says of what it is", "[table]") {
  const auto of_isa = [](const char* isa, const char* dtype, const Json& more) {
    Json made = row("a", 100, more);
    made["name"] = made["run_name"] =
        fmt::format("attention/a/{}/h:1/q:64/d:8/dtype:{}/threads:1/real_time", isa, dtype);
    return made;
  };
  const Json tiles = {{"pct_fma_peak", 400.0}, {"peak_unit", "bf16 tiles"}},
             dot = {{"pct_fma_peak", 100.0}, {"peak_unit", "bf16 dot"}},
             fma = {{"pct_fma_peak", 50.0}, {"peak_unit", "f32 FMA"}};
  const std::string tiled = table_of({of_isa("amx", "bf16", tiles)});
  CHECK(contains(tiled, " 50.0%t"));
  CHECK(contains(tiled, "%t       of what the bf16 tiles can do"));
  CHECK(contains(tiled, "pct_fma_peak"));
  CHECK_FALSE(contains(tiled, "%d  "));
  const std::string dotted = table_of({of_isa("avx512bf16", "bf16", dot)});
  CHECK(contains(dotted, " 50.0%d"));
  CHECK(contains(dotted, "%d       of what the bf16 dot can do"));
  for (const Json& plain : {of_isa("avx512bf16", "bf16", fma), of_isa("avx2", "f16", Json::object()), row("a", 9)}) {
    const std::string text = table_of({plain});
    CHECK(contains(text, " 50.0% "));
    CHECK(contains(text, "of peak  of what the f32 FMA can do"));
    CHECK_FALSE(contains(text, "pct_fma_peak"));
  }
  // Before rows named their unit they were of the tiles, however fast.
  CHECK(contains(table_of({of_isa("amx", "bf16", Json::object())}), " 50.0%t"));
  const Json document = {
      {"context", Json::object()},
      {"benchmarks", Json::array({of_isa("amx", "bf16", tiles), of_isa("avx2", "f16", Json::object())})}};
  const std::vector<std::string> lines = split(as_csv(document), '\n');
  CHECK(contains(lines.at(0), ",pct_peak,peak_unit,pct_fma_peak,pct_bandwidth,"));
  CHECK(contains(lines.at(1), ",50,bf16 tiles,400,,"));
  CHECK(contains(lines.at(2), ",50,f32 FMA,,,"));
}

TEST_CASE("a rate under share x peak is told by the peak of the row's own unit", "[table]") {
  const Json peak = {{"ceilings",
                      {{{"isa", "amx"},
                        {"threads", 1},
                        {"f32_fma", {{"flops_per_second", 40e9}}},
                        {"bf16_amx", {{"flops_per_second", 400e9}}}}}}};
  const auto of_unit = [](double gflops, const char* unit) {
    Json made = row("a", gflops, {{"peak_unit", unit}});
    made["name"] = made["run_name"] = "attention/a/amx/h:1/q:64/d:8/dtype:bf16/threads:1/real_time";
    return made;
  };
  CHECK_FALSE(contains(table_of({of_unit(190, "bf16 tiles")}, peak), "disturbed:"));
  CHECK(contains(table_of({of_unit(120, "bf16 tiles")}, peak), "reached 60 % of share x peak"));
  CHECK_FALSE(contains(table_of({of_unit(19, "f32 FMA")}, peak), "disturbed:"));
}

TEST_CASE("a case of many turns is its median, with half the interval of it", "[table]") {
  std::vector<Json> rows;
  for (const double rate : {9.0, 10.0, 11.0}) rows.push_back(row("a", rate));
  Json median = row("a", 10, {{"aggregate_name", "median"}});
  median["name"] = median["run_name"].get<std::string>() + "_median";
  rows.push_back(median);
  const std::string text = table_of(rows);
  CHECK(contains(text, " 10.0 "));
  CHECK(contains(text, "+-10%"));
  CHECK_FALSE(contains(text, "11.0"));
}

TEST_CASE("the interval of a median leaves out what the binomial allows", "[table]") {
  const auto interval = [](int n) {
    std::vector<double> values;
    for (int i = n; i > 0; --i) values.push_back(i);
    return interval_of_median(values);
  };
  CHECK(interval(1) == std::pair(1.0, 1.0));
  CHECK(interval(5) == std::pair(1.0, 5.0));    // no pair covers it with 95 %
  CHECK(interval(6) == std::pair(1.0, 6.0));    // 1 - 2 / 64
  CHECK(interval(9) == std::pair(2.0, 8.0));    // 1 - 2 (1 + 9) / 512
  CHECK(interval(15) == std::pair(4.0, 12.0));  // 1 - 2 (1 + 15 + 105 + 455) / 32768
}

TEST_CASE("no line of the table is wider than the window", "[table]") {
  std::vector<Json> rows;
  for (const char* problem : {"h:1/q:64/d:8", "h:32/hkv:8/q:2048/d:128/mask:causal/window:4095,0"})
    for (const char* variant : {"naive", "flash", "a_variant_of_ones_own_with_a_long_name"}) {
      Json one = row(variant, 123.4,
                     {{"tokens_per_second", 5e5},
                      {"model", "Mistral-7B v0.1, prefill of 2048 tokens of its context"},
                      {"marks", {{"unsteady", "its passes differ by 31 %"}}},
                      {"label", "a kernel inside a library"}});
      one["name"] = one["run_name"] = std::string("attention/") + variant + "/avx512/" + problem + "/threads:1";
      rows.push_back(one);
    }
  const Json document = {{"context", Json::object()}, {"benchmarks", rows}};
  for (const std::size_t columns : {20, 40, 60, 80, 120, 300}) {
    INFO(columns);
    const std::string text = format_table(document, {}, {.columns = columns, .color = false});
    // Only what has no space in it cannot be broken.
    for (const std::string& line : split(text, '\n'))
      if (length_of(line) > columns) CHECK(line.find(' ', line.find_first_not_of(' ')) == std::string::npos);
    CHECK(contains(text, "123"));
  }
  const std::string wide = format_table(document, {}, {.columns = 300, .color = false});
  CHECK(contains(wide, "500k"));
  CHECK(contains(wide, "Mistral-7B v0.1, prefill of 2048 tokens"));
  CHECK_FALSE(contains(format_table(document, {}, {.columns = 40, .color = false}), "500k"));
}

TEST_CASE("variants stand side by side where that fits, else in lines with the fastest first", "[table]") {
  std::vector<Json> rows;
  for (const char* problem : {"h:1/q:64/d:8", "h:1/q:65/d:8"})
    for (const auto& [variant, rate] : {std::pair("naive", 5.0), std::pair("flash", 50.0)}) {
      Json one = row(variant, rate, {{"standing", rate > 9 ? "fastest" : "behind"}});
      one["name"] = one["run_name"] = std::string("attention/") + variant + "/avx512/" + problem + "/threads:1";
      rows.push_back(one);
    }
  const Json document = {{"context", Json::object()}, {"benchmarks", rows}};
  const std::string wide = format_table(document, {}, {.columns = 80, .color = false});
  CHECK(contains(wide, "problem"));
  CHECK(wide.find("naive") < wide.find("flash"));
  CHECK(contains(wide, "50.0 50.0%*"));
  CHECK(contains(wide, "10.0x"));
  const std::string narrow = format_table(document, {}, {.columns = 50, .color = false});
  CHECK_FALSE(contains(narrow, "problem "));
  CHECK(narrow.find("* flash") < narrow.find("\n  naive"));
  const std::string colored = format_table(document, {}, {.columns = 50, .color = true});
  CHECK(contains(colored, "\033[1m* flash"));
}

TEST_CASE("exports have the rows of the table", "[table]") {
  std::vector<Json> rows = {
      row("naive", 5), row("a|b", 10, {{"standing", "fastest"}, {"model", "GPT-2, \"small\""}}),
      row("c", 0, {{"error_occurred", true}, {"error_message", "o is\nwrong"}, {"reason", "wrong"}})};
  const Json document = {{"context", {{"cpu", "a CPU"}, {"revision", "abc"}}}, {"benchmarks", rows}};
  const std::string markdown = as_markdown(document);
  CHECK(contains(markdown, "a CPU, unknown cores; attnbench abc"));
  CHECK(contains(markdown, "| `h:1/q:64/d:8` GPT-2, \"small\" | **a\\|b** | sse2 | 1 | **10.0** |"));
  CHECK(contains(markdown, "**2.0x**"));
  CHECK(contains(markdown, "| WRONG |"));
  const std::vector<std::string> lines = split(as_csv(document), '\n');
  REQUIRE(lines.size() == 5);  // titles, three rows, nothing behind the last line break
  CHECK(lines[0].starts_with("variant,isa,threads,model,b,h,hkv,q,k,d,dv,dtype,mask,"));
  CHECK(lines[1].starts_with("naive,sse2,1,,1,1,1,64,64,8,8,f32,none,"));
  CHECK(contains(lines[1], ",good,5e+09,"));
  CHECK(contains(lines[2], ",\"GPT-2, \"\"small\"\"\","));
  CHECK(contains(lines[3], ",WRONG,"));
  CHECK(lines[3].ends_with(",o is wrong"));
}

}  // namespace attn::test
