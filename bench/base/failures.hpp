// What a failed row says. A verdict on outputs names what is wrong with them ("o[b=0, ...", "it wrote to an input"); every
// other failure begins with one of the phrases below: the kernel was not found wrong, it could not be measured.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace attn::bench {

inline constexpr std::array<std::string_view, 5> kUnmeasured = {"its worker ", "could not prepare itself", "a team of ",
                                                                "hung", "crashed"};

// The outputs were looked at, and are wrong.
constexpr bool is_wrong_result(std::string_view failure) {
  return std::ranges::none_of(kUnmeasured, [&](std::string_view phrase) { return failure.starts_with(phrase); });
}

// A failure on another problem than the row's: one of the small ones that are tried first.
inline std::string failure_on_problem(std::string_view problem, std::string_view failure) {
  return is_wrong_result(failure) ? "on " + std::string(problem) + ": " + std::string(failure)
                                  : std::string(failure) + ", on " + std::string(problem);
}

// That problem; empty where the failure is the row's own.
constexpr std::string_view problem_of_failure(std::string_view failure) {
  constexpr std::string_view kBefore = "on ", kBehind = ", on ";
  if (failure.starts_with(kBefore)) return failure.substr(kBefore.size(), failure.find(": ") - kBefore.size());
  const std::size_t behind = failure.rfind(kBehind);
  if (behind == failure.npos) return {};
  const std::string_view rest = failure.substr(behind + kBehind.size());
  return rest.find(' ') == rest.npos ? rest : std::string_view();
}

}  // namespace attn::bench
