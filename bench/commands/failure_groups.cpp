#include "commands/failure_groups.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace attn::bench {
namespace {

// Something that a case has or has not. The first ones are told where several say the same.
struct Feature {
  std::string text;
  std::function<bool(const Case&)> holds;
};

std::vector<Feature> features() {
  const auto of_problem = [](std::string text, bool (*holds)(const Problem&)) {
    return Feature{std::move(text), [holds](const Case& c) { return holds(core_problem(c.workload)); }};
  };
  std::vector<Feature> all = {
      of_problem("dropout", [](const Problem& p) { return p.dropout > 0; }),
      of_problem("softcap", [](const Problem& p) { return p.softcap > 0; }),
      of_problem("kv:int8", [](const Problem& p) { return has_int8_kv(p); }),
      of_problem("causal", [](const Problem& p) { return is_causal(p); }),
      of_problem("masked", [](const Problem& p) { return p.window_left >= 0 || p.window_right >= 0; }),
      of_problem("windowed", [](const Problem& p) { return p.window_left >= 0 || p.window_right > 0; }),
      of_problem("not masked", [](const Problem& p) { return p.window_left < 0 && p.window_right < 0; }),
      of_problem("q != k", [](const Problem& p) { return p.seqlen_q != p.seqlen_k; }),
      of_problem("q > k", [](const Problem& p) { return p.seqlen_q > p.seqlen_k; }),
      of_problem("q < k", [](const Problem& p) { return p.seqlen_q < p.seqlen_k; }),
      of_problem("q = k", [](const Problem& p) { return p.seqlen_q == p.seqlen_k; }),
      of_problem("hkv < h", [](const Problem& p) { return p.kv_heads < p.heads; }),
      of_problem("dv != d", [](const Problem& p) { return p.value_dim != p.head_dim; }),
      of_problem("lse:1", [](const Problem& p) { return p.lse != 0; }),
      of_problem("lse:0", [](const Problem& p) { return p.lse == 0; }),
      of_problem("pass:bwd", [](const Problem& p) { return p.backward != 0; }),
      of_problem("pass:fwd", [](const Problem& p) { return p.backward == 0; }),
      of_problem("b > 1", [](const Problem& p) { return p.batch > 1; }),
      of_problem("d is no multiple of 16", [](const Problem& p) { return p.head_dim % 16 != 0; }),
      of_problem("dv is no multiple of 16", [](const Problem& p) { return p.value_dim % 16 != 0; }),
      of_problem("k is no multiple of 16", [](const Problem& p) { return p.seqlen_k % 16 != 0; }),
      of_problem("q is no multiple of 16", [](const Problem& p) { return p.seqlen_q % 16 != 0; }),
      of_problem("d > 128", [](const Problem& p) { return p.head_dim > 128; }),
      of_problem("q < 16", [](const Problem& p) { return p.seqlen_q < 16; }),
      of_problem("k >= 256", [](const Problem& p) { return p.seqlen_k >= 256; }),
      {"threads > 1", [](const Case& c) { return c.threads > 1; }},
      {"layer", [](const Case& c) { return c.workload.is_layer(); }},
      {"no layer", [](const Case& c) { return !c.workload.is_layer(); }},
      {"strided (layout:bshd, packed or a layer)",
       [](const Case& c) { return c.workload.setup.layout != Layout::bhsd || c.workload.is_layer(); }},
      {"cache:cold", [](const Case& c) { return c.workload.setup.cache == CacheState::cold; }}};
  for (const Element& element : kElements)
    all.push_back({fmt::format("dtype:{}", element.name),
                   [dtype = element.dtype](const Case& c) { return core_problem(c.workload).dtype == dtype; }});
  for (std::size_t layout = 1; layout < kLayoutNames.size(); ++layout)
    all.push_back({fmt::format("layout:{}", kLayoutNames[layout]),
                   [layout](const Case& c) { return c.workload.setup.layout == static_cast<Layout>(layout); }});
  return all;
}

// Accidents of the small problems of `verify` as often as a reason: only where nothing else says as much.
std::vector<Feature> fills() {
  std::vector<Feature> all;
  for (std::size_t fill = 0; fill < kFillNames.size(); ++fill)
    all.push_back({fmt::format("fill:{}", kFillNames[fill]),
                   [fill](const Case& c) { return c.workload.setup.fill == static_cast<Fill>(fill); }});
  return all;
}

using Checked = std::vector<const CheckedCase*>;

// What holds for all that failed and for as few as possible of those that passed: one feature, or two where that is fewer.
struct Predicate {
  std::string text;
  std::size_t passed = 0;
};

Predicate common_to(const Checked& failed, const Checked& passed) {
  // Which of those that passed a feature holds for, of features that all have which failed.
  using Candidate = std::pair<std::string, std::vector<bool>>;
  const auto candidates_of = [&](const std::vector<Feature>& all) {
    std::vector<Candidate> candidates;
    for (const Feature& feature : all) {
      if (!std::ranges::all_of(failed, [&](const CheckedCase* one) { return feature.holds(one->c); })) continue;
      std::vector<bool> holds;
      for (const CheckedCase* one : passed) holds.push_back(feature.holds(one->c));
      candidates.emplace_back(feature.text, std::move(holds));
    }
    return candidates;
  };
  Predicate best{.text = "", .passed = passed.size()};
  const auto offer = [&](const Candidate& candidate) {
    const auto count = static_cast<std::size_t>(std::ranges::count(candidate.second, true));
    if (count < best.passed) best = {candidate.first, count};
  };
  const std::vector<Candidate> candidates = candidates_of(features());
  std::ranges::for_each(candidates, offer);
  for (std::size_t a = 0; a < candidates.size(); ++a)
    for (std::size_t b = a + 1; b < candidates.size(); ++b) {
      std::vector<bool> both(passed.size());
      for (std::size_t i = 0; i < both.size(); ++i) both[i] = candidates[a].second[i] && candidates[b].second[i];
      offer({candidates[a].first + " and " + candidates[b].first, std::move(both)});
    }
  std::ranges::for_each(candidates_of(fills()), offer);
  // What leaves most of those that passed is no reason; nor is it where nearly all failed.
  const bool separates = 2 * best.passed <= passed.size() && 8 * passed.size() >= failed.size();
  return separates ? best : Predicate{.text = "", .passed = passed.size()};
}

// But for its figures and a question mark.
std::string gist_of(const std::string& diagnosis) {
  std::string gist;
  for (const char c : diagnosis)
    if ((c < '0' || c > '9') && c != '.' && c != '?') gist += c;
  return gist;
}

// Each once, the most frequent first.
std::vector<std::string> diagnoses_of(const Checked& failed) {
  std::vector<std::string> diagnoses;
  std::map<std::string, std::size_t> counts;  // by gist
  for (const CheckedCase* one : failed)
    if (const std::string& text = one->verdict.diagnosis; !text.empty() && ++counts[gist_of(text)] == 1)
      diagnoses.push_back(text);
  std::ranges::stable_sort(diagnoses, std::greater(), [&](const auto& text) { return counts.at(gist_of(text)); });
  return diagnoses;
}

// The one to show: that looks like most of them, with the least work.
const CheckedCase* smallest_of(const Checked& failed, const std::vector<std::string>& diagnoses) {
  const std::string gist = diagnoses.empty() ? "" : gist_of(diagnoses.front());
  return *std::ranges::min_element(failed, {}, [&](const CheckedCase* one) {
    return std::tuple(gist_of(one->verdict.diagnosis) != gist, flops(one->c.workload), one->c.threads);
  });
}

}  // namespace

std::vector<FailureGroup> failure_groups(std::span<const CheckedCase> checked) {
  std::vector<std::pair<std::string, std::string>> kernels;  // variant and ISA
  for (const CheckedCase& one : checked) {
    const std::pair<std::string, std::string> kernel(one.c.variant->name, one.c.variant->isa);
    if (std::ranges::find(kernels, kernel) == kernels.end()) kernels.push_back(kernel);
  }
  std::vector<FailureGroup> groups;
  std::map<std::tuple<std::string, Reason, std::set<std::string>>, std::size_t> places;  // by what fails
  for (const auto& [variant, isa] : kernels) {
    std::map<Reason, Checked> failed;
    Checked passed;
    for (const CheckedCase& one : checked)
      if (one.c.variant->name == variant && one.c.variant->isa == isa)
        (one.verdict.passed ? passed : failed[one.verdict.reason]).push_back(&one);
    std::size_t all = passed.size();
    for (const auto& [reason, cases] : failed) all += cases.size();
    for (const auto& [reason, cases] : failed) {
      std::set<std::string> problems;
      for (const CheckedCase* one : cases)
        problems.insert(fmt::format("{}/threads:{}", to_string(one->c.workload), one->c.threads));
      const auto [place, is_new] = places.try_emplace({variant, reason, problems}, groups.size());
      if (is_new) {
        // Of a single failure any accident of its problem would seem to be the reason.
        const Predicate where = cases.size() > 1 ? common_to(cases, passed) : Predicate{"", passed.size()};
        FailureGroup group{.variant = variant,
                           .isas = {},
                           .failed = cases.size(),
                           .of = where.text.empty() ? all : cases.size() + where.passed,
                           .where = where.text,
                           .diagnoses = diagnoses_of(cases)};
        group.smallest = smallest_of(cases, group.diagnoses);
        if (!group.diagnoses.empty()) group.diagnoses.front() = group.smallest->verdict.diagnosis;  // with its figures
        groups.push_back(std::move(group));
      }
      groups[place->second].isas.push_back(isa);
    }
  }
  return groups;
}

std::string to_text(const FailureGroup& group, const std::string& arguments) {
  constexpr std::size_t kDiagnoses = 2;
  const std::string extent =
      group.where.empty()
          ? fmt::format("{} {} of {}", group.failed == group.of ? "everywhere:" : "in", group.failed, group.of)
          : fmt::format("only where {}: {} of {}", group.where, group.failed, group.of);
  std::string text = fmt::format("FAILED {} on {}, {}\n", group.variant, fmt::join(group.isas, ", "), extent);
  for (const std::string& diagnosis : std::span(group.diagnoses).first(std::min(group.diagnoses.size(), kDiagnoses)))
    text += fmt::format("  {}\n", diagnosis);
  return text +
         fmt::format("  {}\n  {}{}\n", group.smallest->verdict.failure, verify_command(group.smallest->c), arguments);
}

}  // namespace attn::bench
