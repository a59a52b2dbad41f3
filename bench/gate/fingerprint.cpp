#include "gate/fingerprint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "machine/symptoms.hpp"

namespace attn::bench::gate {
namespace {

std::string fact(const Facts& facts, const std::string& key) {
  const auto found = facts.find(key);
  return found == facts.end() ? "not told" : found->second;
}

void require_optimised(const char* side, const Facts& facts) {
  const std::string flags = fact(facts, "flags");
  if (is_debug_build(flags))
    throw EnvironmentError(fmt::format(
        "the {} is a debug build (flags '{}'): its times say nothing; build the preset release", side, flags));
  if (flags.find("-fsanitize=") != std::string::npos)
    throw EnvironmentError(fmt::format(
        "the {} is built with sanitizers (flags '{}'): its times say nothing; build the preset release", side, flags));
}

}  // namespace

void require_alike(const Facts& base, const Facts& candidate) {
  std::set<std::string> keys;
  for (const Facts* facts : {&base, &candidate})
    for (const auto& [key, value] : *facts) keys.insert(key);
  std::vector<std::string> differences;
  for (const std::string& key : keys) {
    if (std::find(std::begin(kCodeFacts), std::end(kCodeFacts), key) != std::end(kCodeFacts)) continue;
    // What one side could not find out is no difference: older builds looked for a quota in one place only.
    if (key == "cgroup_quota" && (fact(base, key) == "unknown" || fact(candidate, key) == "unknown")) continue;
    if (fact(base, key) != fact(candidate, key))
      differences.push_back(fmt::format("{}: base '{}', candidate '{}'", key, fact(base, key), fact(candidate, key)));
  }
  if (!differences.empty())
    throw EnvironmentError(
        fmt::format("the sides differ in more than their code, so that no verdict would be about it\n  {}",
                    fmt::join(differences, "\n  ")));
  require_optimised("base", base);
  require_optimised("candidate", candidate);
}

Pairings pair_up(const std::vector<std::string>& base, const std::vector<std::string>& candidate) {
  Pairings pairings;
  const auto missing_in = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) == list.end();
  };
  for (const std::string& name : base)
    if (missing_in(candidate, name))
      pairings.only_base.push_back(name);
    else
      pairings.both.push_back({name, name, name});
  for (const std::string& name : candidate)
    if (missing_in(base, name)) pairings.only_candidate.push_back(name);
  return pairings;
}

void require_same_cases(const Pairings& pairings) {
  if (pairings.only_base.empty() && pairings.only_candidate.empty()) return;
  std::string text = "the sides have different cases; --common compares those that both have\n";
  const auto list = [&](const char* who, const std::vector<std::string>& names) {
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
      text += fmt::format("  only the {} has {}\n", who, names[i]);
    if (names.size() > kShown) text += fmt::format("  and {} more\n", names.size() - kShown);
  };
  list("base", pairings.only_base);
  list("candidate", pairings.only_candidate);
  text.pop_back();
  throw EnvironmentError(text);
}

}  // namespace attn::bench::gate
