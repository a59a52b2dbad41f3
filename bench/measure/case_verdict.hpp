// CaseVerdict: what the check says of a case's outputs, or why there were none to look at.
#pragma once

#include "base/json.hpp"
#include "base/reason.hpp"
#include "check.hpp"

namespace attn::bench {

struct CaseVerdict : Verdict {
  CaseVerdict() = default;
  CaseVerdict(Verdict verdict) : Verdict(std::move(verdict)), reason(passed ? Reason::none : Reason::wrong) {}
  // Of what could not be called. The tolerance is one that errors may be divided by.
  explicit CaseVerdict(Failure why) : Verdict{.tolerance = 1, .failure = std::move(why.text)}, reason(why.reason) {}

  Failure why() const { return {reason, diagnosis.empty() ? failure : failure + "; " + diagnosis}; }

  Reason reason = Reason::none;
  std::string diagnosis;  // what the wrong outputs look like (diagnosis.hpp); empty where that is not known
};

Json to_json(const CaseVerdict& verdict);
// Throws Json::exception when it is none.
CaseVerdict verdict_from(const Json& json);

}  // namespace attn::bench
