#include "problem_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <vector>

#include "problem_keys.hpp"

namespace attn {
namespace {

[[noreturn]] void reject(std::string_view text, const std::string& message) {
  throw std::invalid_argument(fmt::format("problem '{}': {}", text, message));
}

std::vector<const char*> key_names() {
  std::vector<const char*> names;
  for (const ProblemKey& key : problem_keys()) names.push_back(key.name);
  return names;
}

using Values = std::map<std::string_view, std::string_view>;  // by key

Values split(std::string_view text) {
  Values values;
  std::string_view rest = text;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == part.size())
      reject(text, fmt::format("'{}' is not key:value; example: h:12/q:1024/d:64/mask:causal", part));
    const std::string_view name = part.substr(0, colon);
    if (std::ranges::none_of(problem_keys(), [&](const ProblemKey& key) { return key.name == name; }))
      reject(text, fmt::format("unknown key '{}'; valid: {}", name, fmt::join(key_names(), ", ")));
    if (!values.emplace(name, part.substr(colon + 1)).second)
      reject(text, fmt::format("key '{}' is given twice", name));
    if (slash == std::string_view::npos) return values;
    rest.remove_prefix(slash + 1);
  }
}

// The keys that differ from their default, and those that are wanted anyway.
std::string joined(const Workload& w, bool (*anyway)(const ProblemKey&)) {
  std::string text;
  for (const ProblemKey& key : problem_keys())
    if (anyway(key) || !is_default(key, w))
      text += fmt::format("{}{}:{}", text.empty() ? "" : "/", key.name, key.print(w));
  return text;
}

void validate_workload(const Workload& w) {
  const Problem& p = w.problem;
  validate(p);
  validate(w.setup, p);
  if (!w.is_layer()) {
    if (w.layer.both)
      throw std::invalid_argument("pass:both belongs to layers; valid: pass:fwd, pass:bwd, or add layer:fused");
    if (w.layer.d_model != 0) throw std::invalid_argument("dmodel belongs to layer:single");
    return;
  }
  for (const ProblemKey& key : problem_keys())
    if (!key.of_layers && !is_default(key, w))
      throw std::invalid_argument(fmt::format("{}:{} does not go together with layer; valid: {}:{}", key.name,
                                              key.print(w), key.name, key.default_text));
  if (p.value_dim != p.head_dim)
    throw std::invalid_argument(fmt::format("layer needs dv equal to d, got d:{} dv:{}", p.head_dim, p.value_dim));
  if (w.layer.d_model < 1 || w.layer.d_model > kMaxDimension)
    throw std::invalid_argument(fmt::format("dmodel={} is not between 1 and {}", w.layer.d_model, kMaxDimension));
  if (w.layer.form == LayerForm::single ? p.heads != 1 : w.layer.d_model != p.heads * p.head_dim)
    throw std::invalid_argument(
        w.layer.form == LayerForm::single
            ? fmt::format("layer:single needs h:1, got h:{}", p.heads)
            : fmt::format("dmodel={} is not h={} times d={}", w.layer.d_model, p.heads, p.head_dim));
  const double weights = static_cast<double>(w.layer.d_model) * static_cast<double>(p.heads * p.head_dim);
  if (24 * weights * static_cast<double>(p.batch) * static_cast<double>(std::max(p.seqlen_q, p.seqlen_k)) > 4e18)
    throw std::invalid_argument("FLOPs of the layer exceed 64 bits");
}

}  // namespace

Problem core_problem(const Workload& w) {
  Problem p = w.layer.both ? forward_of(w.problem) : w.problem;
  if (w.is_layer() && !p.backward) p.lse = 1;  // layers keep it for the backward pass
  return p;
}

std::int64_t flops(const Workload& w) {
  const Problem& p = w.problem;
  if (!w.is_layer()) return flops(p);
  const std::int64_t of_queries = p.batch * p.seqlen_q, of_keys = p.batch * p.seqlen_k;
  std::int64_t weights_times_tokens = w.layer.d_model * p.head_dim * (of_queries * p.heads + of_keys * 2 * p.kv_heads);
  if (w.layer.form != LayerForm::single) weights_times_tokens += w.layer.d_model * w.layer.d_model * of_queries;
  const std::int64_t forward = p.backward && !w.layer.both ? 0 : 2 * weights_times_tokens + flops(forward_of(p));
  return forward + (p.backward ? 4 * weights_times_tokens + flops(p) : 0);
}

Workload parse_workload(std::string_view text) {
  const Values values = split(text);
  Workload w;
  try {
    for (const ProblemKey& key : problem_keys()) {
      const auto given = values.find(key.name);
      if (given != values.end())
        key.parse(w, key, given->second);
      else if (key.set_default != nullptr)
        key.set_default(w);
      else
        throw std::invalid_argument(fmt::format("key '{}' is missing; h, q and d are required", key.name));
    }
    validate_workload(w);
  } catch (const std::invalid_argument& error) {
    reject(text, error.what());
  }
  return w;
}

Problem parse_problem(std::string_view text) {
  const Workload w = parse_workload(text);
  if (w.is_layer()) reject(text, "layer belongs to a workload, not to a problem");
  if (w.setup != Setup{}) reject(text, "fill, layout and cache belong to a setup, not to a problem");
  return w.problem;
}

std::string to_string(const Problem& p) { return to_string(Workload{.problem = p}); }

std::string to_string(const Workload& w) {
  return joined(w, [](const ProblemKey& key) { return key.always_printed; });
}

std::string to_short_string(const Workload& w) {
  return joined(w, [](const ProblemKey&) { return false; });
}

}  // namespace attn
