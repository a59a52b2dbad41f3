#include "problem_keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace attn {
namespace {

[[noreturn]] void reject(const std::string& message) { throw std::invalid_argument(message); }

constexpr auto kDtypeNames = [] {
  std::array<const char*, kElements.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kElements[i].name;
  return names;
}();
constexpr std::array kMaskNames = {"none", "causal"};
constexpr std::array kFlagNames = {"0", "1"};
constexpr std::array kPassNames = {"fwd", "bwd", "both"};
constexpr std::array kKvNames = {"same", "int8"};

std::int64_t parse_integer(const ProblemKey& key, std::string_view whole, std::string_view value) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc::result_out_of_range)
    reject(fmt::format("{}:{} does not fit into 64 bits; valid: 1 to {}", key.name, whole, kMaxDimension));
  if (error != std::errc() || end != value.data() + value.size())
    reject(fmt::format("{}:{} is not an integer", key.name, value));
  return number;
}

double parse_number(const ProblemKey& key, std::string_view value) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size())
    reject(fmt::format("{}:{} is not a number; valid: {}", key.name, value, key.values));
  return number;
}

// Index of the value among the key's names.
std::int32_t parse_name(const ProblemKey& key, std::string_view value) {
  const auto name = std::find(key.names.begin(), key.names.end(), value);
  if (name == key.names.end())
    reject(fmt::format("{}:{} is not known; valid: {}", key.name, value, fmt::join(key.names, ", ")));
  return static_cast<std::int32_t>(name - key.names.begin());
}

template <std::int64_t Problem::*field>
void parse_dimension(Workload& w, const ProblemKey& key, std::string_view value) {
  w.problem.*field = parse_integer(key, value, value);
}

template <std::int64_t Problem::*field>
std::string print_dimension(const Workload& w) {
  return fmt::to_string(w.problem.*field);
}

template <std::int64_t Problem::*field>
void validate_dimension(const Problem& p, const ProblemKey& key) {
  if (p.*field < 1 || p.*field > kMaxDimension)
    reject(fmt::format("{}={} is not between 1 and {}", key.name, p.*field, kMaxDimension));
}

template <std::int64_t Problem::*field>
constexpr ProblemKey dimension(const char* name, const char* default_text, const char* help,
                               void (*set_default)(Workload&), KeyFeature feature = {}) {
  return {.name = name,
          .values = "N",
          .names = {},
          .default_text = default_text,
          .help = help,
          .always_printed = true,
          .of_layers = true,
          .set_default = set_default,
          .parse = parse_dimension<field>,
          .print = print_dimension<field>,
          .feature = feature,
          .validate = validate_dimension<field>};
}

template <std::int32_t Problem::*field>
void validate_flag(const Problem& p, const ProblemKey&) {
  if (p.*field != 0 && p.*field != 1)
    reject(fmt::format("{}={} is not 0 or 1", field == &Problem::lse ? "lse" : "backward", p.*field));
}

bool is_windowed(const Problem& p) { return p.window_left >= 0 || p.window_right > 0; }

void parse_mask(Workload& w, const ProblemKey& key, std::string_view value) {
  w.problem.window_left = -1;
  w.problem.window_right = parse_name(key, value) == 1 ? 0 : -1;
}

void parse_window(Workload& w, const ProblemKey& key, std::string_view value) {
  const std::size_t comma = value.find(',');
  if (comma == std::string_view::npos) reject(fmt::format("window:{} is not L,R; example: window:4095,0", value));
  Problem& p = w.problem;
  const std::int64_t left = parse_integer(key, value, value.substr(0, comma));
  const std::int64_t right = parse_integer(key, value, value.substr(comma + 1));
  if (is_causal(p) && right > 0)
    reject(fmt::format("window:{} lets a query see later keys, mask:causal does not; valid: window:{},0 or mask:none",
                       value, left));
  p.window_left = left;
  if (!is_causal(p)) p.window_right = right;
}

void validate_window(const Problem& p, const ProblemKey&) {
  for (const std::int64_t side : {p.window_left, p.window_right})
    if (side < -1 || side > kMaxDimension)
      reject(fmt::format("window={},{}: each side is -1 (unlimited) or between 0 and {}", p.window_left, p.window_right,
                         kMaxDimension));
}

void validate_dtype(const Problem& p, const ProblemKey&) {
  if (p.dtype < 0 || p.dtype >= std::ssize(kElements))
    reject(fmt::format("dtype={} is not known; valid: 0 to {}", p.dtype, kElements.size() - 1));
}

void validate_kv(const Problem& p, const ProblemKey&) {
  if (p.kv < 0 || p.kv >= std::ssize(kKvNames))
    reject(fmt::format("kv={} is not known; valid: 0 to {}", p.kv, kKvNames.size() - 1));
}

void validate_dropout(const Problem& p, const ProblemKey&) {
  if (!(p.dropout >= 0 && p.dropout < 1)) reject(fmt::format("dropout={} is not in [0, 1)", p.dropout));
  for (const auto field : {&Problem::batch, &Problem::heads, &Problem::seqlen_q, &Problem::seqlen_k})
    if (p.dropout > 0 && p.*field > kMaxDropoutDimension)
      reject(fmt::format("dropout={} needs b, h, q and k of at most {}, which its counters hold", p.dropout,
                         kMaxDropoutDimension));
}

void validate_softcap(const Problem& p, const ProblemKey&) {
  // Far inside the range of every dtype's arithmetic, and of use nowhere beyond.
  constexpr double kLeast = 0x1p-20, kMost = 0x1p20;
  if (p.softcap != 0 && !(p.softcap >= kLeast && p.softcap <= kMost))
    reject(fmt::format("softcap={} is not 0 or between {} and {}", p.softcap, kLeast, kMost));
}

void parse_pass(Workload& w, const ProblemKey& key, std::string_view value) {
  const std::int32_t pass = parse_name(key, value);
  w.problem.backward = pass > 0;
  w.layer.both = pass == 2;
}

// heads head_dim, before either has been validated.
void set_default_model(Workload& w) {
  const Problem& p = w.problem;
  const double product = static_cast<double>(p.heads) * static_cast<double>(p.head_dim);
  w.layer.d_model = !w.is_layer() ? 0 : product > 9e18 || product < 0 ? -1 : p.heads * p.head_dim;
}

constexpr std::array kKeys = {
    dimension<&Problem::batch>("b", "1", "batch entries", [](Workload& w) { w.problem.batch = 1; }),
    dimension<&Problem::heads>("h", "required", "query heads", nullptr),
    dimension<&Problem::kv_heads>("hkv", "h", "heads of keys and values, each read by h / hkv query heads",
                                  [](Workload& w) { w.problem.kv_heads = w.problem.heads; },
                                  {ATTN_GQA, "gqa", [](const Problem& p) { return p.kv_heads != p.heads; }}),
    dimension<&Problem::seqlen_q>("q", "required", "queries", nullptr),
    dimension<&Problem::seqlen_k>("k", "q", "keys; the last query stands at the last key",
                                  [](Workload& w) { w.problem.seqlen_k = w.problem.seqlen_q; }),
    dimension<&Problem::head_dim>("d", "required", "elements of a query and a key", nullptr),
    dimension<&Problem::value_dim>(
        "dv", "d", "elements of a value and a row of o", [](Workload& w) { w.problem.value_dim = w.problem.head_dim; },
        {ATTN_DV_DIFFERS, "dv_differs", [](const Problem& p) { return p.value_dim != p.head_dim; }}),
    ProblemKey{.name = "dtype",
               .values = nullptr,
               .names = kDtypeNames,
               .default_text = "f32",
               .help = "of q, k, v, o and their gradients; lse is f32",
               .always_printed = true,
               .of_layers = false,
               .set_default = [](Workload& w) { w.problem.dtype = ATTN_F32; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.problem.dtype = parse_name(key, value); },
               .print = [](const Workload& w) { return std::string(element_of(w.problem.dtype).name); },
               .validate = validate_dtype},
    ProblemKey{.name = "mask",
               .values = nullptr,
               .names = kMaskNames,
               .default_text = "none",
               .help = "causal: a query sees no key behind its position",
               .always_printed = true,
               .of_layers = true,
               .set_default = [](Workload& w) { w.problem.window_left = -1, w.problem.window_right = -1; },
               .parse = parse_mask,
               .print = [](const Workload& w) { return std::string(kMaskNames[is_causal(w.problem)]); },
               .feature = {ATTN_CAUSAL, "causal", [](const Problem& p) { return is_causal(p) && !is_windowed(p); }}},
    ProblemKey{
        .name = "window",
        .values = "L,R",
        .names = {},
        .default_text = "-1,-1; -1,0 where causal",
        .help = "keys before and behind a query's position that it sees; -1: all",
        .always_printed = false,
        .of_layers = true,
        .set_default =
            [](Workload& w) {
              w.problem.window_left = -1;
              if (!is_causal(w.problem)) w.problem.window_right = -1;
            },
        .parse = parse_window,
        .print = [](const Workload& w) { return fmt::format("{},{}", w.problem.window_left, w.problem.window_right); },
        .feature = {ATTN_WINDOW, "window", is_windowed},
        .validate = validate_window},
    ProblemKey{.name = "lse",
               .values = nullptr,
               .names = kFlagNames,
               .default_text = "0",
               .help = "1: the log-sum-exp of every row is an output too",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.problem.lse = 0; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.problem.lse = parse_name(key, value); },
               .print = [](const Workload& w) { return fmt::to_string(w.problem.lse); },
               .feature = {ATTN_LSE, "lse", [](const Problem& p) { return p.lse != 0; }},
               .validate = validate_flag<&Problem::lse>},
    ProblemKey{.name = "dropout",
               .values = "P, such as 0.1",
               .names = {},
               .default_text = "0",
               .help = "drops weights with this probability, by a mask of the seed that is the same for every kernel",
               .always_printed = false,
               .of_layers = true,
               .set_default = [](Workload& w) { w.problem.dropout = 0; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.problem.dropout = parse_number(key, value); },
               .print = [](const Workload& w) { return fmt::to_string(w.problem.dropout); },
               .feature = {ATTN_DROPOUT, "dropout", [](const Problem& p) { return p.dropout > 0; }},
               .validate = validate_dropout},
    ProblemKey{.name = "softcap",
               .values = "C, such as 50",
               .names = {},
               .default_text = "0",
               .help = "a score s becomes C tanh(s / C); 0: it stays as it is",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.problem.softcap = 0; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.problem.softcap = parse_number(key, value); },
               .print = [](const Workload& w) { return fmt::to_string(w.problem.softcap); },
               .feature = {ATTN_SOFTCAP, "softcap", [](const Problem& p) { return p.softcap > 0; }},
               .validate = validate_softcap},
    ProblemKey{
        .name = "pass",
        .values = nullptr,
        .names = kPassNames,
        .default_text = "fwd",
        .help = "bwd: dq, dk and dv from q, k, v, o, lse and do; both: of layers, in one call",
        .always_printed = false,
        .of_layers = true,
        .set_default = [](Workload& w) { w.problem.backward = 0, w.layer.both = false; },
        .parse = parse_pass,
        .print = [](const Workload& w) { return std::string(kPassNames[w.layer.both ? 2 : w.problem.backward]); },
        .feature = {ATTN_BACKWARD, "backward", [](const Problem& p) { return p.backward != 0; }},
        .validate = validate_flag<&Problem::backward>},
    ProblemKey{.name = "kv",
               .values = nullptr,
               .names = kKvNames,
               .default_text = "same",
               .help = "int8: k and v are int8 times an f32 scale of each token and kv head; same: of dtype",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.problem.kv = ATTN_KV_SAME; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.problem.kv = parse_name(key, value); },
               .print = [](const Workload& w) { return std::string(kKvNames[w.problem.kv]); },
               .feature = {ATTN_TAKES_KV_INT8, "kv_int8", has_int8_kv},
               .validate = validate_kv},
    ProblemKey{.name = "fill",
               .values = nullptr,
               .names = kFillNames,
               .default_text = "normal",
               .help = "what the elements of q, k and v are",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.setup.fill = Setup{}.fill; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.setup.fill = static_cast<Fill>(parse_name(key, value)); },
               .print = [](const Workload& w) { return std::string(kFillNames[static_cast<int>(w.setup.fill)]); }},
    ProblemKey{.name = "layout",
               .values = nullptr,
               .names = kLayoutNames,
               .default_text = "bhsd",
               .help = "the order of batch, head and row in memory; packed: q, k and v of a token side by side",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.setup.layout = Setup{}.layout; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.setup.layout = static_cast<Layout>(parse_name(key, value)); },
               .print = [](const Workload& w) { return std::string(kLayoutNames[static_cast<int>(w.setup.layout)]); }},
    ProblemKey{.name = "cache",
               .values = nullptr,
               .names = kCacheNames,
               .default_text = "warm",
               .help = "cold: every call reads inputs that have left the caches",
               .always_printed = false,
               .of_layers = false,
               .set_default = [](Workload& w) { w.setup.cache = Setup{}.cache; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.setup.cache = static_cast<CacheState>(parse_name(key, value)); },
               .print = [](const Workload& w) { return std::string(kCacheNames[static_cast<int>(w.setup.cache)]); }},
    ProblemKey{.name = "layer",
               .values = nullptr,
               .names = kLayerNames,
               .default_text = "none",
               .help = "an attention layer around the problem, with its projections",
               .always_printed = false,
               .of_layers = true,
               .set_default = [](Workload& w) { w.layer.form = LayerForm::none; },
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.layer.form = static_cast<LayerForm>(parse_name(key, value)); },
               .print = [](const Workload& w) { return std::string(kLayerNames[static_cast<int>(w.layer.form)]); }},
    ProblemKey{.name = "dmodel",
               .values = "N",
               .names = {},
               .default_text = "h d",
               .help = "features of a token; of layer:single any, of other layers h d",
               .always_printed = false,
               .of_layers = true,
               .set_default = set_default_model,
               .parse = [](Workload& w, const ProblemKey& key,
                           std::string_view value) { w.layer.d_model = parse_integer(key, value, value); },
               .print = [](const Workload& w) { return fmt::to_string(w.layer.d_model); }},
};

}  // namespace

std::span<const ProblemKey> problem_keys() { return kKeys; }

std::string values_text(const ProblemKey& key) {
  return key.values != nullptr ? key.values : fmt::format("{}", fmt::join(key.names, "|"));
}

bool is_default(const ProblemKey& key, const Workload& w) {
  if (key.set_default == nullptr) return false;
  Workload with_default = w;
  key.set_default(with_default);
  return key.print(with_default) == key.print(w);
}

}  // namespace attn
