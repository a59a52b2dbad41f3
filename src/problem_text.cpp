#include "problem_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

namespace attn {
namespace {

constexpr std::array kKeys = {"b",      "h",   "hkv",     "q",    "k",    "d",      "dv",    "dtype", "mask",
                              "window", "lse", "dropout", "pass", "fill", "layout", "cache", "layer", "dmodel"};

constexpr auto kDtypeNames = [] {
  std::array<const char*, kElements.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kElements[i].name;
  return names;
}();

[[noreturn]] void reject(std::string_view text, const std::string& message) {
  throw std::invalid_argument(fmt::format("problem '{}': {}", text, message));
}

using Keys = std::map<std::string, std::string, std::less<>>;

Keys split(std::string_view text) {
  Keys keys;
  std::string_view rest = text;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == part.size())
      reject(text, fmt::format("'{}' is not key:value; example: h:12/q:1024/d:64/mask:causal", part));
    const std::string key(part.substr(0, colon));
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
      reject(text, fmt::format("unknown key '{}'; valid: {}", key, fmt::join(kKeys, ", ")));
    if (!keys.emplace(key, part.substr(colon + 1)).second) reject(text, fmt::format("key '{}' is given twice", key));
    if (slash == std::string_view::npos) return keys;
    rest.remove_prefix(slash + 1);
  }
}

std::int64_t parse_integer(std::string_view text, std::string_view key, std::string_view value) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc::result_out_of_range)
    reject(text, fmt::format("{}:{} does not fit into 64 bits; valid: 1 to {}", key, value, kMaxDimension));
  if (error != std::errc() || end != value.data() + value.size())
    reject(text, fmt::format("{}:{} is not an integer", key, value));
  return number;
}

double parse_number(std::string_view text, const Keys& keys, std::string_view key) {
  const auto found = keys.find(key);
  if (found == keys.end()) return 0;
  const std::string& value = found->second;
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size())
    reject(text, fmt::format("{}:{} is not a number; example: {}:0.1", key, value, key));
  return number;
}

// Index of the key's value in a list of names; 0, the default, when the key is absent.
template <std::size_t N>
std::int32_t parse_name(std::string_view text, const Keys& keys, std::string_view key,
                        const std::array<const char*, N>& names) {
  const auto found = keys.find(key);
  if (found == keys.end()) return 0;
  const auto name = std::find(names.begin(), names.end(), found->second);
  if (name == names.end())
    reject(text, fmt::format("{}:{} is not known; valid: {}", key, found->second, fmt::join(names, ", ")));
  return static_cast<std::int32_t>(name - names.begin());
}

void parse_mask(std::string_view text, const Keys& keys, Problem& p) {
  const bool causal = parse_name(text, keys, "mask", std::array{"none", "causal"}) == 1;
  p.window_left = -1;
  p.window_right = causal ? 0 : -1;
  const auto window = keys.find("window");
  if (window == keys.end()) return;
  const std::size_t comma = window->second.find(',');
  if (comma == std::string::npos)
    reject(text, fmt::format("window:{} is not L,R; example: window:4095,0", window->second));
  p.window_left = parse_integer(text, "window", std::string_view(window->second).substr(0, comma));
  const std::int64_t right = parse_integer(text, "window", std::string_view(window->second).substr(comma + 1));
  if (causal && right > 0)
    reject(text, fmt::format("window:{} lets a query see later keys, mask:causal does not; valid: window:{},0 or "
                             "mask:none",
                             window->second, p.window_left));
  p.window_right = causal ? 0 : right;
}

// heads head_dim, before either has been validated.
std::int64_t saturating_model(const Problem& p) {
  const double product = static_cast<double>(p.heads) * static_cast<double>(p.head_dim);
  return product > 9e18 || product < 0 ? -1 : p.heads * p.head_dim;
}

std::string mask_name(const Problem& p) { return is_causal(p) ? "causal" : "none"; }

bool prints_window(const Problem& p) { return p.window_left >= 0 || p.window_right > 0; }

std::string further_keys(const Workload& w) {
  std::string text;
  const Problem& p = w.problem;
  if (prints_window(p)) text += fmt::format("/window:{},{}", p.window_left, p.window_right);
  if (p.lse) text += "/lse:1";
  if (p.dropout > 0) text += fmt::format("/dropout:{}", p.dropout);
  if (p.backward) text += w.layer.both ? "/pass:both" : "/pass:bwd";
  if (w.setup.fill != Setup{}.fill) text += fmt::format("/fill:{}", kFillNames[static_cast<int>(w.setup.fill)]);
  if (w.setup.layout != Setup{}.layout)
    text += fmt::format("/layout:{}", kLayoutNames[static_cast<int>(w.setup.layout)]);
  if (w.setup.cache != Setup{}.cache) text += fmt::format("/cache:{}", kCacheNames[static_cast<int>(w.setup.cache)]);
  if (w.is_layer()) text += fmt::format("/layer:{}", kLayerNames[static_cast<int>(w.layer.form)]);
  if (w.is_layer() && w.layer.d_model != p.heads * p.head_dim) text += fmt::format("/dmodel:{}", w.layer.d_model);
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
  if (w.setup != Setup{}) throw std::invalid_argument("fill, layout and cache do not go together with layer");
  if (p.lse) throw std::invalid_argument("lse=1 does not go together with layer, which keeps lse for itself");
  if (p.dtype != ATTN_F32)
    throw std::invalid_argument(fmt::format("layer computes in f32, got dtype:{}", element_of(p.dtype).name));
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
  const Keys keys = split(text);
  const auto number = [&](std::string_view key, std::optional<std::int64_t> otherwise) {
    const auto found = keys.find(key);
    if (found != keys.end()) return parse_integer(text, key, found->second);
    if (!otherwise) reject(text, fmt::format("key '{}' is missing; h, q and d are required", key));
    return *otherwise;
  };
  Workload w;
  Problem& p = w.problem;
  p.batch = number("b", 1);
  p.heads = number("h", std::nullopt);
  p.kv_heads = number("hkv", p.heads);
  p.seqlen_q = number("q", std::nullopt);
  p.seqlen_k = number("k", p.seqlen_q);
  p.head_dim = number("d", std::nullopt);
  p.value_dim = number("dv", p.head_dim);
  p.dtype = parse_name(text, keys, "dtype", kDtypeNames);
  p.lse = parse_name(text, keys, "lse", std::array{"0", "1"});
  p.dropout = parse_number(text, keys, "dropout");
  const std::int32_t pass = parse_name(text, keys, "pass", std::array{"fwd", "bwd", "both"});
  p.backward = pass > 0;
  w.layer.both = pass == 2;
  w.layer.form = static_cast<LayerForm>(parse_name(text, keys, "layer", kLayerNames));
  w.layer.d_model = number("dmodel", w.is_layer() ? saturating_model(p) : 0);
  parse_mask(text, keys, p);
  w.setup.fill = static_cast<Fill>(parse_name(text, keys, "fill", kFillNames));
  w.setup.layout = static_cast<Layout>(parse_name(text, keys, "layout", kLayoutNames));
  w.setup.cache = static_cast<CacheState>(parse_name(text, keys, "cache", kCacheNames));
  try {
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
  const Problem& p = w.problem;
  return fmt::format("b:{}/h:{}/hkv:{}/q:{}/k:{}/d:{}/dv:{}/dtype:{}/mask:{}{}", p.batch, p.heads, p.kv_heads,
                     p.seqlen_q, p.seqlen_k, p.head_dim, p.value_dim, element_of(p.dtype).name, mask_name(p),
                     further_keys(w));
}

std::string to_short_string(const Workload& w) {
  const Problem& p = w.problem;
  std::string text;
  if (p.batch != 1) text += fmt::format("b:{}/", p.batch);
  text += fmt::format("h:{}", p.heads);
  if (p.kv_heads != p.heads) text += fmt::format("/hkv:{}", p.kv_heads);
  text += fmt::format("/q:{}", p.seqlen_q);
  if (p.seqlen_k != p.seqlen_q) text += fmt::format("/k:{}", p.seqlen_k);
  text += fmt::format("/d:{}", p.head_dim);
  if (p.value_dim != p.head_dim) text += fmt::format("/dv:{}", p.value_dim);
  if (p.dtype != ATTN_F32) text += fmt::format("/dtype:{}", element_of(p.dtype).name);
  if (is_causal(p)) text += "/mask:causal";
  return text + further_keys(w);
}

}  // namespace attn
