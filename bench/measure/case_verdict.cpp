#include "measure/case_verdict.hpp"

namespace attn::bench {

Json to_json(const CaseVerdict& v) {
  return {{"passed", v.passed},
          {"max_scaled_err", v.max_scaled_err},
          {"tolerance", v.tolerance},
          {"rows_checked", v.rows_checked},
          {"mistrusted", v.mistrusted},
          {"reason", to_string(v.reason)},
          {"failure", v.failure},
          {"diagnosis", v.diagnosis},
          {"quantisation_err", v.quantisation_err},
          {"format_err", v.format_err}};
}

// What came later is left out by the workers of older builds, which the gate compares with.
CaseVerdict verdict_from(const Json& json) {
  CaseVerdict verdict(Verdict{.passed = json.at("passed"),
                              .max_scaled_err = json.at("max_scaled_err"),
                              .tolerance = json.at("tolerance"),
                              .rows_checked = json.at("rows_checked"),
                              .quantisation_err = json.value("quantisation_err", 0.0),
                              .format_err = json.value("format_err", 0.0),
                              .mistrusted = json.value("mistrusted", ""),
                              .failure = json.at("failure")});
  verdict.reason = parse_reason(json.value("reason", ""), verdict.reason);
  verdict.diagnosis = json.value("diagnosis", "");
  return verdict;
}

}  // namespace attn::bench
