#include "results/rows.hpp"

#include <set>

#include "base/slices.hpp"

namespace attn::bench {
namespace {

// A label is what ran, the mark of the ruler, both or nothing.
std::string without_ruler_fault(std::string label) {
  if (const std::size_t at = label.find(kRulerFault); at != std::string::npos) label.erase(at == 0 ? 0 : at - 1);
  return label;
}

// Of the turns of each case, in GFLOP/s.
std::map<std::string, std::vector<double>> rates_of_turns(const Json& rows) {
  std::map<std::string, std::vector<double>> rates;
  for (const Json& row : rows)
    if (!row.contains("aggregate_name") && !row.value("error_occurred", false))
      rates[row.at("run_name").get<std::string>()].push_back(row.value("flops", 0.0) / 1e9);
  return rates;
}

void read_figures(ResultRow& row, const Json& json) {
  row.gflops = json.value("flops", 0.0) / 1e9;
  if (row.gflops > 0) row.seconds = static_cast<double>(flops(row.name.workload)) / (row.gflops * 1e9);
  row.unit = &unit_of_row(json, row.name);
  row.pct_peak = json.value("pct_peak", 0.0);
  if (json.contains("pct_fma_peak")) row.pct_fma_peak = json["pct_fma_peak"].get<double>();
  row.of_bandwidth = json.contains("pct_bandwidth");
  row.percent = row.of_bandwidth ? json.value("pct_bandwidth", 0.0) : row.pct_peak;
  row.binds = json.value("binds", "");
  row.pct_roof = json.value("pct_roof", 0.0);
  row.tokens_per_second = json.value("tokens_per_second", 0.0);
  row.scaled_error = json.value("max_scaled_err", 0.0);
  row.quantisation_error = json.value("quantisation_err", 0.0);
  row.standing = json.value("standing", "");
  row.what_ran = without_ruler_fault(json.value("label", ""));
  row.prepare_seconds = json.value("prepare_seconds", 0.0);
  row.finish_seconds = json.value("finish_seconds", 0.0);
  if (json.contains("marks")) row.marks = json["marks"].get<std::map<std::string, std::string>>();
}

}  // namespace

const PeakUnit& unit_of_row(const Json& row, const CaseName& name) {
  if (const PeakUnit* unit = find_peak_unit(row.value("peak_unit", ""))) return *unit;
  const std::optional<Isa> isa = parse_isa(name.isa);
  const PeakUnit* own = isa ? own_unit(*isa, dtype_of(name.workload.problem)) : nullptr;
  return own == nullptr ? kFma : *own;
}

std::vector<ResultRow> rows_of(const Json& document) {
  const Json& all = document.at("benchmarks");
  std::set<std::string> with_median;
  for (const Json& json : all)
    if (json.value("aggregate_name", "") == "median") with_median.insert(json.at("run_name").get<std::string>());
  const auto rates = rates_of_turns(all);
  std::vector<ResultRow> rows;
  for (const Json& json : all) {
    const std::string aggregate = json.value("aggregate_name", "");
    const auto run_name = json.at("run_name").get<std::string>();
    if (aggregate != "median" && (!aggregate.empty() || with_median.contains(run_name))) continue;
    ResultRow row{.name = parse_case_name(json.at("name").get<std::string>()), .model = json.value("model", "")};
    if (json.value("error_occurred", false)) {
      row.error = json.value("error_message", "failed");
      row.reason = parse_reason(json.value("reason", ""), Reason::failed);
      row.failed_on = json.value("failed_on", "");
    } else {
      read_figures(row, json);
      if (const auto found = rates.find(run_name); aggregate == "median" && found != rates.end())
        std::tie(row.low, row.high) = interval_of_median(found->second);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool is_naive(const std::string& variant) { return variant == "naive" || variant == "naive_backward"; }

std::string failure_word(Reason reason) {
  return reason == Reason::crashed ? "CRASHED" : reason == Reason::wrong ? "WRONG" : "FAILED";
}

}  // namespace attn::bench
