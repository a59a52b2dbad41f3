#include "cases/case.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/errors.hpp"
#include "base/split.hpp"
#include "registry.hpp"
#include "run.hpp"

namespace attn::bench {
namespace {

constexpr std::string_view kPrefix = "attention/", kLayerPrefix = "layer/";

std::optional<int> parse_threads(std::string_view text) {
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads < 1 || threads > kMaxThreads)
    return std::nullopt;
  return threads;
}

std::string name_of(std::string_view variant, std::string_view isa, const Workload& workload, int threads) {
  if (!workload.is_layer())
    return fmt::format("{}{}/{}/{}/threads:{}", kPrefix, variant, isa, to_string(workload), threads);
  const std::string form = kLayerNames[static_cast<std::size_t>(workload.layer.form)], key = "/layer:" + form;
  std::string text = to_string(workload);
  text.erase(text.find(key), key.size());
  return fmt::format("{}{}/{}/{}/{}/threads:{}", kLayerPrefix, form, variant, isa, text, threads);
}

bool is_google_benchmark_suffix(std::string_view part) {
  for (const std::string_view aggregate : {"_mean", "_median", "_stddev", "_cv", "_BigO", "_RMS"})
    if (part.ends_with(aggregate)) {
      part.remove_suffix(aggregate.size());
      break;
    }
  for (const std::string_view time : {"process_time", "real_time", "manual_time"})
    if (part == time) return true;
  for (const std::string_view key : {"repeats:", "iterations:", "min_time:", "min_warmup_time:", "threads:"})
    if (part.starts_with(key)) {
      part.remove_prefix(key.size());
      if (part.ends_with('s')) part.remove_suffix(1);
      return !part.empty() && part.find_first_not_of("0123456789.") == std::string_view::npos;
    }
  return false;
}

}  // namespace

std::string verify_command(const Case& c) {
  return fmt::format("attnbench verify --problem {} --variants {} --isa {} --threads {}", to_string(c.workload),
                     c.variant->name, c.variant->isa, c.threads);
}

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

std::string short_name(const CaseName& name) {
  return fmt::format("{}/{} {}{}", name.variant, name.isa, to_short_string(name.workload),
                     name.threads == 1 ? "" : fmt::format(" threads:{}", name.threads));
}

std::string short_name(const std::string& name) {
  try {
    return short_name(parse_case_name(name));
  } catch (const std::invalid_argument&) {
    return name;
  }
}

}  // namespace attn::bench
