// Reason: why a case has no number, as a value for programs; the text beside it is for people, and nobody reads it back.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace attn::bench {

enum class Reason {
  none,  // it has one
  // It was called, or was to be, and failed:
  wrong,       // its outputs were looked at, or what it says of itself, and are wrong
  crashed,     // it ended its process
  hung,        // it did not come back
  unprepared,  // it could not prepare itself
  no_team,     // it did not get the threads of its row
  failed,      // anything else in which nothing was found wrong
  // Nobody tried:
  unsupported,  // it does not declare what the problem needs
  too_slow,     // a call is predicted to take longer than is allowed
  left_out,     // it is not here, this machine cannot hold it, or there is no time for it
  not_run,      // the run ended first
};

inline constexpr std::array<std::string_view, 11> kReasonNames = {"none",       "wrong",    "crashed", "hung",
                                                                  "unprepared", "no_team",  "failed",  "unsupported",
                                                                  "too_slow",   "left_out", "not_run"};
constexpr std::string_view to_string(Reason reason) { return kReasonNames.at(static_cast<std::size_t>(reason)); }
// `otherwise` for what is no reason.
constexpr Reason parse_reason(std::string_view name, Reason otherwise) {
  for (std::size_t i = 0; i < kReasonNames.size(); ++i)
    if (kReasonNames[i] == name) return static_cast<Reason>(i);
  return otherwise;
}

struct Failure {
  Reason reason = Reason::none;
  std::string text{};
  std::string problem{};  // that it failed on, where that is not its own: one of the small ones that are tried first

  explicit operator bool() const { return reason != Reason::none; }
};

// A failure on another problem than the case's.
inline Failure on_problem(Failure failure, const std::string& problem) {
  failure.text =
      failure.reason == Reason::wrong ? "on " + problem + ": " + failure.text : failure.text + ", on " + problem;
  failure.problem = problem;
  return failure;
}

}  // namespace attn::bench
