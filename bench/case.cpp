#include "case.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <regex>
#include <set>

#include "errors.hpp"
#include "registry.hpp"
#include "run.hpp"

namespace attn::bench {
namespace {

constexpr std::string_view kPrefix = "attention/", kLayerPrefix = "layer/";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<int> parse_threads(std::string_view text) {
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads < 1 || threads > kMaxThreads)
    return std::nullopt;
  return threads;
}

struct VariantSelection {
  std::vector<std::string> names, absent;
  bool best = false;
};

// " (torch is a peer: ...)" where the expression is the name of one that was not asked for.
std::string peer_hint(const std::string& name) {
  for (const KnownPeer& peer : known_peers())
    if (peer.name == name) return fmt::format(" ({} is a peer: add --peers)", name);
  return {};
}

VariantSelection selected_variants(const std::string& list, std::span<const Variant* const> table,
                                   const AbsentPeers& absent) {
  const std::vector<std::string> all = variant_names(table);
  VariantSelection selection;
  std::set<std::string> chosen;
  for (const std::string& part : split(list, ',')) {
    if (part == "best") {
      selection.best = true;
      continue;
    }
    std::size_t matched = 0;
    try {
      const std::regex pattern(part);
      for (const std::string& name : all)
        if (std::regex_match(name, pattern)) chosen.insert(name), ++matched;
      for (const auto& [name, reason] : absent)
        if (std::regex_match(name, pattern)) selection.absent.push_back(name), ++matched;
    } catch (const std::regex_error& error) {
      throw UsageError(fmt::format("--variants {}: '{}' is no regular expression: {}", list, part, error.what()));
    }
    if (matched == 0)
      throw UsageError(fmt::format("--variants {}: '{}' matches no variant{}; valid: best, {}", list, part,
                                   peer_hint(part), fmt::join(all, ", ")));
  }
  for (const std::string& name : all)
    if (chosen.count(name)) selection.names.push_back(name);
  return selection;
}

// Adds cases, each once.
class Collector {
 public:
  void add(const Variant& variant, const Workload& workload, int threads) {
    const Case c{&variant, workload, threads};
    const std::string name = case_name(c);
    if (!seen_.insert(name).second) return;
    const std::string reason = why_not(variant, core_problem(workload), threads);
    if (reason.empty())
      cases.run.push_back(c);
    else
      cases.skipped.push_back({name, reason});
  }

  void skip(std::string name, std::string reason) {
    if (seen_.insert(name).second) cases.skipped.push_back({std::move(name), std::move(reason)});
  }

  Cases cases;

 private:
  std::set<std::string> seen_;
};

std::string name_of(std::string_view variant, std::string_view isa, const Workload& workload, int threads) {
  if (!workload.is_layer())
    return fmt::format("{}{}/{}/{}/threads:{}", kPrefix, variant, isa, to_string(workload), threads);
  const std::string form = kLayerNames[static_cast<std::size_t>(workload.layer.form)], key = "/layer:" + form;
  std::string text = to_string(workload);
  text.erase(text.find(key), key.size());
  return fmt::format("{}{}/{}/{}/{}/threads:{}", kLayerPrefix, form, variant, isa, text, threads);
}

void add_variant(Collector& collector, const std::string& variant, const std::string& isa_list,
                 const std::vector<Isa>& named, const Workload& workload, int threads,
                 std::span<const Variant* const> table) {
  if (isa_list == "native") {
    if (const Variant* row = find_native(table, variant)) return collector.add(*row, workload, threads);
    return collector.skip(name_of(variant, "native", workload, threads), "built for no ISA that runs here");
  }
  if (isa_list == "all") {
    for (const Variant* row : table)
      if (row->name == variant) collector.add(*row, workload, threads);
    return;
  }
  for (const Isa isa : named) {
    if (const Variant* row = find(table, variant, isa))
      collector.add(*row, workload, threads);
    else
      collector.skip(name_of(variant, to_string(isa), workload, threads), "not built for this ISA");
  }
}

// `best` of one field of rows: the native ones, or those of one ISA.
void add_best(Collector& collector, std::string_view isa, const std::vector<const Variant*>& field,
              const Workload& workload, int threads, const Choices& choices) {
  try {
    collector.add(select(core_problem(workload), threads, field, choices), workload, threads);
  } catch (const std::invalid_argument& error) {
    collector.skip(name_of("best", isa, workload, threads), error.what());
  }
}

void add_best(Collector& collector, const Selection& selection, std::vector<Isa> isas, const Workload& workload,
              int threads, std::span<const Variant* const> table) {
  if (selection.isa == "native")
    return add_best(collector, "native", native_rows(table), workload, threads, selection.choices);
  if (selection.isa == "all")
    for (std::size_t i = 0; i < kIsaNames.size(); ++i)
      if (const Isa isa = static_cast<Isa>(i); runs_here(isa)) isas.push_back(isa);
  for (const Isa isa : isas)
    add_best(collector, to_string(isa), rows_of(table, isa), workload, threads, selection.choices);
}

bool is_google_benchmark_suffix(std::string_view part) {
  static const std::regex kSuffix(
      "((repeats|iterations|min_time|min_warmup_time|threads):[0-9.]+s?|process_time|real_time|manual_time)"
      "(_(mean|median|stddev|cv|BigO|RMS))?");
  return std::regex_match(part.begin(), part.end(), kSuffix);
}

}  // namespace

std::vector<int> parse_team_sizes(const std::string& list) {
  std::vector<int> counts;
  for (const std::string& part : split(list, ',')) {
    const auto threads = parse_threads(part);
    if (!threads)
      throw UsageError(fmt::format("--threads {}: '{}' is not a team size; valid: 1 to {}", list, part, kMaxThreads));
    counts.push_back(*threads);
  }
  return counts;
}

std::vector<Isa> parse_isa_list(const std::string& list) {
  std::vector<Isa> isas;
  if (list == "native" || list == "all") return isas;
  for (const std::string& part : split(list, ',')) {
    const auto isa = parse_isa(part);
    if (!isa)
      throw UsageError(
          fmt::format("--isa {}: unknown ISA '{}'; valid: native, all, {}", list, part, fmt::join(kIsaNames, ", ")));
    if (!runs_here(*isa))
      throw UsageError(fmt::format("--isa {}: {} cannot run here: {}", list, part, missing_for(*isa)));
    isas.push_back(*isa);
  }
  return isas;
}

std::string case_name(const Case& c) { return name_of(c.variant->name, c.variant->isa, c.workload, c.threads); }

std::string case_name(const CaseName& n) { return name_of(n.variant, n.isa, n.workload, n.threads); }

CaseName parse_case_name(std::string_view name) {
  const auto reject = [&](const std::string& what) -> CaseName {
    throw std::invalid_argument(
        fmt::format("row name '{}': {}; valid: {}<variant>/<isa>/<problem>/threads:N, {}<form>/...", name, what,
                    kPrefix, kLayerPrefix));
  };
  const bool layer = name.substr(0, kLayerPrefix.size()) == kLayerPrefix;
  if (!layer && name.substr(0, kPrefix.size()) != kPrefix)
    return reject("begins neither with 'attention/' nor with 'layer/'");
  std::vector<std::string> parts = split(name.substr(layer ? kLayerPrefix.size() : kPrefix.size()), '/');
  std::string layer_key;
  if (layer) layer_key = "/layer:" + parts[0], parts.erase(parts.begin());
  const auto team =
      std::find_if(parts.begin(), parts.end(), [](const std::string& p) { return p.rfind("threads:", 0) == 0; });
  if (team - parts.begin() < 3 || team == parts.end()) return reject("lacks a part");
  // An aggregate's suffix sticks to the last part, which may be this one.
  const auto threads = parse_threads(std::string_view(*team).substr(8, team->find('_') - 8));
  if (!threads) return reject(fmt::format("'{}' is no team size", *team));
  for (auto part = team + 1; part != parts.end(); ++part)
    if (!is_google_benchmark_suffix(*part)) return reject(fmt::format("unknown suffix '{}'", *part));
  return {parts[0], parts[1], parse_workload(fmt::format("{}{}", fmt::join(parts.begin() + 2, team, "/"), layer_key)),
          *threads};
}

Cases select_cases(const Selection& selection, const std::vector<Workload>& workloads,
                   std::span<const Variant* const> table) {
  const VariantSelection variants = selected_variants(selection.variants, table, selection.absent);
  const std::vector<Isa> named = parse_isa_list(selection.isa);
  const std::vector<int> threads = parse_team_sizes(selection.threads);
  Collector collector;
  for (const Workload& workload : workloads)
    for (const int team : threads) {
      for (const std::string& name : variants.names)
        add_variant(collector, name, selection.isa, named, workload, team, table);
      for (const std::string& name : variants.absent)
        collector.skip(name_of(name, "native", workload, team), selection.absent.at(name));
      if (variants.best) add_best(collector, selection, named, workload, team, table);
    }
  return std::move(collector.cases);
}

}  // namespace attn::bench
