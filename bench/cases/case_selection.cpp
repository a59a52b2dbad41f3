// The selection of case.hpp: which cases a command line means. Apart from the names, which the worker of a plugin reads,
// too: it is to bring as few libraries as it can.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/errors.hpp"
#include "base/split.hpp"
#include "base/stop.hpp"
#include "cases/case.hpp"
#include "cases/pattern.hpp"
#include "registry.hpp"

namespace attn::bench {
namespace {

struct VariantSelection {
  std::vector<std::string> names, absent;
  bool best = false;
  bool named = false;  // one by one or by an expression, rather than all there are
};

// " (torch is a peer: ...)" where the expression is the name of one that was not asked for.
std::string peer_hint(const std::string& name) {
  for (const KnownPeer& peer : known_peers())
    if (peer.name == name) return fmt::format(" ({} is a peer: add --peers)", name);
  return {};
}

VariantSelection selected_variants(const std::string& list, std::span<const Variant* const> table,
                                   const Guests& guests) {
  const std::vector<std::string> all = variant_names(table);
  VariantSelection selection;
  std::set<std::string> chosen;
  selection.named = list != Selection{}.variants;
  for (const std::string& part : split(list, ',')) {
    if (part == "best") {
      selection.best = true;
      continue;
    }
    std::size_t matched = 0;
    const Pattern pattern("--variants", part);
    for (const std::string& name : all)
      if (RE2::FullMatch(name, pattern)) chosen.insert(name), ++matched;
    for (const auto& [name, reason] : guests.absent)
      if (RE2::FullMatch(name, pattern)) selection.absent.push_back(name), ++matched;
    if (matched == 0)
      throw UsageError(fmt::format("--variants {}: '{}' matches no variant{}; valid: best, {}", list, part,
                                   peer_hint(part), fmt::join(all, ", ")));
  }
  for (const std::string& name : all)
    if (chosen.count(name)) selection.names.push_back(name);
  return selection;
}

// A kernel of the other pass, or of other elements, int8 among them, is no candidate. Where nobody named it, that is no
// news, unless there is no candidate at all.
bool is_of_the_kind(const Variant& variant, const Problem& p) {
  const std::uint64_t element = element_of(p.dtype).feature | (has_int8_kv(p) ? kInt8Element.feature : 0);
  const bool is_backward = (variant.features & ATTN_BACKWARD) != 0;
  return is_backward == (p.backward != 0) && (declared_features(variant) & element) == element;
}

// Adds cases, each once.
class Collector {
 public:
  // `named`: as VariantSelection. `guests` are named anyhow.
  Collector(bool named, const std::set<std::string>& guests) : named_(named), guests_(guests) {}

  void add(const Variant& variant, const Workload& workload, int threads) {
    const Case c{&variant, workload, threads};
    const std::string name = case_name(c);
    if (!seen_.insert(name).second) return;
    const std::string reason = why_not(variant, core_problem(workload), threads);
    const bool unsupported = runs_here(isa_of(variant)) && lacks_features(variant, core_problem(workload), threads);
    if (reason.empty())
      cases_.run.push_back(c);
    else
      (named_ || guests_.count(variant.name) || is_of_the_kind(variant, core_problem(workload)) ? cases_.skipped
                                                                                                : no_candidates_)
          .push_back({name, unsupported ? Reason::unsupported : Reason::left_out, reason});
  }

  void skip(std::string name, std::string text) {
    if (seen_.insert(name).second) cases_.skipped.push_back({std::move(name), Reason::left_out, std::move(text)});
  }

  Cases collected() && {
    if (cases_.run.empty()) cases_.skipped.insert(cases_.skipped.end(), no_candidates_.begin(), no_candidates_.end());
    return std::move(cases_);
  }

 private:
  bool named_;
  const std::set<std::string>& guests_;
  Cases cases_;
  std::vector<Skipped> no_candidates_;
  std::set<std::string> seen_;
};

void add_variant(Collector& collector, const std::string& variant, const std::string& isa_list,
                 const std::vector<Isa>& named, const Workload& workload, int threads,
                 std::span<const Variant* const> table) {
  if (isa_list == "native") {
    if (const Variant* row = find_native(table, variant)) return collector.add(*row, workload, threads);
    return collector.skip(case_name(CaseName{variant, "native", workload, threads}), "built for no ISA that runs here");
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
      collector.skip(case_name(CaseName{variant, std::string(to_string(isa)), workload, threads}),
                     "not built for this ISA");
  }
}

// `best` of one field of rows: the native ones, or those of one ISA.
void add_best(Collector& collector, std::string_view isa, const std::vector<const Variant*>& field,
              const Workload& workload, int threads, const Choices& choices) {
  try {
    collector.add(select(core_problem(workload), threads, field, choices), workload, threads);
  } catch (const std::invalid_argument& error) {
    collector.skip(case_name(CaseName{"best", std::string(isa), workload, threads}), error.what());
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

}  // namespace

Cases select_cases(const Selection& selection, const std::vector<Workload>& workloads,
                   std::span<const Variant* const> table) {
  const VariantSelection variants = selected_variants(selection.variants, table, selection.guests);
  const std::vector<Isa> named = parse_isa_list(selection.isa);
  const std::vector<int> threads = parse_team_sizes(selection.threads);
  Collector collector(variants.named, selection.guests.present);
  for (const Workload& workload : workloads) {
    throw_if_interrupted();
    for (const int team : threads) {
      for (const std::string& name : variants.names)
        add_variant(collector, name, selection.isa, named, workload, team, table);
      for (const std::string& name : variants.absent)
        collector.skip(case_name(CaseName{name, "native", workload, team}), selection.guests.absent.at(name));
      if (variants.best) add_best(collector, selection, named, workload, team, table);
    }
  }
  return std::move(collector).collected();
}

}  // namespace attn::bench
