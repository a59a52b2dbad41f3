#include "gate/json_output.hpp"

#include <cmath>

namespace attn::bench::gate {
namespace {

Json ratio(double log_ratio) { return std::isfinite(log_ratio) ? Json(std::exp(log_ratio)) : Json(nullptr); }

Json ratios(const std::vector<double>& log_ratios) {
  Json list = Json::array();
  for (const double value : log_ratios) list.push_back(ratio(value));
  return list;
}

Json to_json(const Judgement& judgement) {
  return {{"verdict", to_string(judgement.verdict)},
          {"ratio", ratio(judgement.size)},
          {"low", ratio(judgement.interval.low)},
          {"high", ratio(judgement.interval.high)},
          {"detectable", judgement.detectable ? ratio(*judgement.detectable) : Json(nullptr)},
          {"log_e_slower", judgement.log_e_slower},
          {"log_e_proven", judgement.log_e_proven},
          {"faster", judgement.faster}};
}

Json to_json(const RoundTimes& times) {
  return {{"phase", to_string(times.phase)},
          {"round", times.round},
          {"ratio", ratio(times.value)},
          {"base_ns", times.base_ns},
          {"candidate_ns", times.candidate_ns},
          {"base_cpu_ns", times.base_cpu_ns},
          {"candidate_cpu_ns", times.candidate_cpu_ns},
          {"dropped_blocks", times.dropped}};
}

Json to_json(const CaseReport& c) {
  Json json = {{"name", c.pairing.label}};
  if (c.wrong.empty())
    json.update(to_json(c.judgement));
  else
    json.update({{"verdict", "WRONG"}, {"failure", c.wrong}});
  json.update({{"min_effect", ratio(c.min_effect)},
               {"confirmed", c.routed},
               {"same_code", c.same_code},
               {"iterations", c.turn.iterations},
               {"dropped_blocks", c.dropped},
               {"rounds", Json::array()}});
  for (const RoundTimes& times : c.times) json["rounds"].push_back(to_json(times));
  return json;
}

}  // namespace

Json to_json(const Report& report) {
  Json json = {{"attnbench_gate", 2},
               {"outcome", to_string(outcome_of(report))},
               {"failure", report.failure},
               {"out_of_time", report.out_of_time},
               {"seconds", report.seconds},
               {"criteria",
                {{"alpha", report.criteria.alpha},
                 {"limit", ratio(report.criteria.limit)},
                 {"min_effect", ratio(report.criteria.min_effect)},
                 {"proof", report.criteria.proof}}},
               {"base", report.base_facts},
               {"candidate", report.candidate_facts},
               {"confirmed_cases", report.routed}};
  json["suite"] = to_json(report.suite_judgement);
  json["suite"]["rounds"] = ratios(report.suite);
  json["suite"]["min_effect"] = ratio(report.criteria.suite_effect());
  json["null_arm"] = to_json(report.null_judgement);
  json["null_arm"]["rounds"] = ratios(report.null);
  json["null_arm"]["min_effect"] = ratio(report.criteria.suite_effect());
  json["skipped"] = Json::array();
  for (const Skipped& s : report.skipped) json["skipped"].push_back({{"name", s.name}, {"reason", s.text}});
  json["cases"] = Json::array();
  for (const CaseReport& c : report.cases) json["cases"].push_back(to_json(c));
  return json;
}

Json benchmark_json(const Report& report, Which which) {
  const bool base = which == Which::base;
  Json json = {{"context", base ? report.base_facts : report.candidate_facts}, {"benchmarks", Json::array()}};
  for (std::size_t family = 0; family < report.cases.size(); ++family) {
    const CaseReport& c = report.cases[family];
    const std::string name = (base ? c.pairing.base_case : c.pairing.candidate_case) + "/real_time";
    for (std::size_t i = 0; i < c.times.size(); ++i)
      json["benchmarks"].push_back({{"name", name},
                                    {"family_index", family},
                                    {"per_family_instance_index", 0},
                                    {"run_name", name},
                                    {"run_type", "iteration"},
                                    {"repetitions", c.times.size()},
                                    {"repetition_index", i},
                                    {"threads", 1},
                                    {"iterations", c.turn.iterations},
                                    {"real_time", base ? c.times[i].base_ns : c.times[i].candidate_ns},
                                    {"cpu_time", base ? c.times[i].base_cpu_ns : c.times[i].candidate_cpu_ns},
                                    {"time_unit", "ns"}});
  }
  return json;
}

}  // namespace attn::bench::gate
