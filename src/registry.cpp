#include "registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "problem_keys.hpp"

namespace attn {
namespace {

// Of one bit; empty for a bit that nobody knows.
std::string_view feature_name(std::uint64_t bit) {
  if (bit == ATTN_THREADS) return "threads";
  for (const ProblemKey& key : problem_keys())
    if (key.feature.bit == bit) return key.feature.name;
  for (const Element& element : kElements)
    if (element.feature == bit) return element.name;
  return {};
}

bool is_of_the_other_pass(const Variant& variant, const Problem& problem) {
  return (variant.features & ATTN_BACKWARD) && !problem.backward;
}

std::uint64_t lacking_features(const Variant& variant, const Problem& problem, int threads) {
  return (required_features(problem) | (threads > 1 ? std::uint64_t{ATTN_THREADS} : 0)) & ~declared_features(variant);
}

}  // namespace

std::string feature_names(std::uint64_t features) {
  std::string names;
  for (std::uint64_t rest = features; rest != 0; rest &= rest - 1) {
    const std::string_view name = feature_name(rest & -rest);
    if (!name.empty()) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

std::uint64_t declared_features(const Variant& variant) {
  std::uint64_t dtypes = 0;
  for (const Element& element : kElements) dtypes |= element.feature;
  return variant.features | (variant.features & dtypes ? 0 : std::uint64_t{ATTN_TAKES_F32});
}

Isa isa_of(const Variant& variant) {
  const auto isa = parse_isa(variant.isa);
  if (!isa) throw std::logic_error(fmt::format("variant {} names the unknown ISA '{}'", variant.name, variant.isa));
  return *isa;
}

std::string why_not(const Variant& variant, const Problem& problem, int threads) {
  if (const std::string& missing = missing_for(isa_of(variant)); !missing.empty()) return missing;
  if (is_of_the_other_pass(variant, problem)) return fmt::format("{} computes the backward pass only", variant.name);
  if (const std::uint64_t lacking = lacking_features(variant, problem, threads); lacking != 0)
    return fmt::format("{} does not support: {}", variant.name, feature_names(lacking));
  if (variant.limits != nullptr)
    if (const char* reason = variant.limits(&problem)) return reason;
  return {};
}

bool lacks_features(const Variant& variant, const Problem& problem, int threads) {
  return is_of_the_other_pass(variant, problem) || lacking_features(variant, problem, threads) != 0;
}

std::vector<const Variant*> runnable(std::span<const Variant* const> table) {
  std::vector<const Variant*> rows(table.begin(), table.end());
  std::erase_if(rows, [](const Variant* row) { return !runs_here(isa_of(*row)); });
  return rows;
}

const Variant* find(std::span<const Variant* const> table, std::string_view name, Isa isa) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Variant* row) { return row->name == name && isa_of(*row) == isa; });
  return found == table.end() ? nullptr : *found;
}

const Variant* find_native(std::span<const Variant* const> table, std::string_view name) {
  const Variant* best = nullptr;
  for (const Variant* row : table)
    if (row->name == name && runs_here(isa_of(*row)) && (best == nullptr || isa_of(*best) < isa_of(*row))) best = row;
  return best;
}

std::vector<const Variant*> native_rows(std::span<const Variant* const> table) {
  std::vector<const Variant*> rows;
  for (const std::string& name : variant_names(table))
    if (const Variant* row = find_native(table, name)) rows.push_back(row);
  return rows;
}

std::vector<const Variant*> rows_of(std::span<const Variant* const> table, Isa isa) {
  std::vector<const Variant*> rows(table.begin(), table.end());
  std::erase_if(rows, [&](const Variant* row) { return isa_of(*row) != isa; });
  return rows;
}

std::vector<std::string> variant_names(std::span<const Variant* const> table) {
  std::vector<std::string> names;
  for (const Variant* row : table)
    if (std::find(names.begin(), names.end(), row->name) == names.end()) names.emplace_back(row->name);
  return names;
}

}  // namespace attn
