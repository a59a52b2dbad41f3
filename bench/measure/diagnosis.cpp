#include "measure/diagnosis.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "aligned_buffer.hpp"
#include "dropout.hpp"
#include "quantisation.hpp"
#include "scores.hpp"

namespace attn::bench {
namespace {

// Products that are computed again for each suspicion.
constexpr std::int64_t kMostProducts = 2'000'000;
constexpr std::size_t kMostRows = 32;
// What a suspicion may be off by, in tolerances of a right kernel: the fault may cost accuracy, too.
constexpr double kLenience = 4;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

enum class KvHead { of_group, in_turn, first };
enum class Cap { bent, clamped, not_multiplied };
enum class Drop { right, not_scaled, before_sum, as_batch_0 };
// What int8 is multiplied by.
enum class Scale { own, none, of_key_before, of_key_after, of_head_0 };

// How a kernel would have computed a row. With nothing changed, rightly.
struct Suspicion {
  Suspicion(std::string what, const Problem& p, const Tensors& t)
      : text(std::move(what)),
        problem(p),
        tensors(t),
        scale(softmax_scale(p, t)),
        key_end(p.seqlen_k),
        dot_length(p.head_dim) {}

  std::string text;
  Problem problem;                // its mask, cap and dropout
  Tensors tensors;                // and where it takes elements from
  double scale;                   // of scores
  std::int64_t key_end;           // keys from here on are lost
  std::int64_t key_multiple = 1;  // so are those that a row sees beyond a multiple of it
  std::int64_t dot_length;        // features of q.k
  std::int64_t moved = 0;         // queries, in the mask
  std::int64_t more_keys = 0;     // at the end of what a query sees
  KvHead kv_head = KvHead::of_group;
  Cap cap = Cap::bent;
  Drop drop = Drop::right;
  Scale k_scale = Scale::own, v_scale = Scale::own;
  bool v_scale_in_sum = false;
  bool is_unsigned = false;  // int8 is read as if it were
  bool normalised = true;
};

// A row of o as suspected, and what lse is made from.
struct SuspectedRow {
  std::vector<double> o, abs_value;
  double row_max = kMinusInfinity, row_sum = 0, score_size = 0;
  double lse() const { return row_max + std::log(row_sum); }
};

KeyRange seen_keys(const Suspicion& s, std::int64_t query) {
  KeyRange keys = visible_keys(s.problem, query + s.moved);
  keys.end = std::min({keys.end + s.more_keys, s.problem.seqlen_k, s.key_end});
  if (const std::int64_t count = keys.end - keys.begin; count >= s.key_multiple)
    keys.end = keys.begin + count / s.key_multiple * s.key_multiple;
  return keys;
}

std::int64_t kv_head_of(const Suspicion& s, std::int64_t h) {
  return s.kv_head == KvHead::in_turn ? h % s.problem.kv_heads
         : s.kv_head == KvHead::first ? 0
                                      : attn::kv_head_of(s.problem, h);
}

double score(const Suspicion& s, double x) {
  const double cap = s.problem.softcap;
  if (cap == 0 || s.cap == Cap::bent) return score_of(s.problem, x);
  return s.cap == Cap::clamped ? std::clamp(x, -cap, cap) : score_of(s.problem, x) / cap;
}

double factor(const Suspicion& s, const Row& row, std::int64_t key) {
  const Problem& p = s.problem;
  if (p.dropout == 0) return 1;
  const std::int64_t b = s.drop == Drop::as_batch_0 ? 0 : row.batch;
  const Dropout drop = make_dropout(p.dropout, s.tensors.seed, s.tensors.first_head);
  const double right = dropout_factor(drop, b, row.head, row.index, key) == 0 ? 0 : 1 / (1 - p.dropout);
  return s.drop == Drop::not_scaled && right > 0 ? 1 : right;
}

// Row j of k or v.
void read_kv(const Suspicion& s, const TensorView& t, const TensorView& scales, Scale scale, const Row& row,
             std::int64_t kv_head, std::int64_t j, std::vector<float>& to) {
  read_row(t, row.batch, kv_head, j, to.data());
  if (!has_int8_kv(s.problem)) return;
  if (s.is_unsigned)
    for (float& x : to) x += x < 0 ? 256 : 0;
  if (scale == Scale::none) return;
  const std::int64_t of_key = scale == Scale::of_key_before  ? std::max<std::int64_t>(j - 1, 0)
                              : scale == Scale::of_key_after ? std::min(j + 1, s.problem.seqlen_k - 1)
                                                             : j;
  const float factor = scale_of(scales, row.batch, scale == Scale::of_head_0 ? 0 : kv_head, of_key);
  for (float& x : to) x *= factor;
}

SuspectedRow compute(const Suspicion& s, const Row& row) {
  const Problem& p = s.problem;
  const std::int64_t kv_head = kv_head_of(s, row.head);
  const KeyRange keys = seen_keys(s, row.index);
  SuspectedRow result{.o = std::vector<double>(static_cast<std::size_t>(p.value_dim)), .abs_value = {}};
  result.abs_value = result.o;
  std::vector<float> q(static_cast<std::size_t>(p.head_dim)), k(q), v(result.o.size());
  std::vector<double> scores;
  read_row(s.tensors.q, row.batch, row.head, row.index, q.data());
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    read_kv(s, s.tensors.k, s.tensors.k_scale, s.k_scale, row, kv_head, j, k);
    double dot = 0, size = 0;
    for (std::int64_t d = 0; d < s.dot_length; ++d) {
      dot += double{q[d]} * k[d];
      size += std::fabs(double{q[d]} * k[d]);
    }
    scores.push_back(score(s, dot * s.scale));
    result.row_max = std::max(result.row_max, scores.back());
    result.score_size = std::max(result.score_size, std::fabs(size * s.scale));
  }
  const double shift = result.row_max == kMinusInfinity ? 0 : result.row_max;
  double divisor = 0;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const double weight = std::exp(scores[j - keys.begin] - shift), dropped = weight * factor(s, row, j);
    result.row_sum += weight;
    divisor += s.v_scale_in_sum             ? weight * scale_of(s.tensors.v_scale, row.batch, kv_head, j)
               : s.drop == Drop::before_sum ? dropped
                                            : weight;
    read_kv(s, s.tensors.v, s.tensors.v_scale, s.v_scale, row, kv_head, j, v);
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      result.o[d] += dropped * v[d];
      result.abs_value[d] += dropped * std::fabs(v[d]);
    }
  }
  if (!s.normalised || divisor == 0) divisor = 1;
  for (std::vector<double>* sums : {&result.o, &result.abs_value})
    for (double& sum : *sums) sum /= divisor;
  return result;
}

// The faults that could explain a wrong o, those first that explain the most.
std::vector<Suspicion> suspicions(const Problem& p, const Tensors& t) {
  std::vector<Suspicion> all;
  const auto add = [&](std::string text, const std::function<void(Suspicion&)>& change) {
    change(all.emplace_back(std::move(text), p, t));
  };
  const bool left = p.window_left >= 0, right = p.window_right >= 0;
  const std::string mask = is_causal(p) ? "causal" : "the window";
  if ((left || right) && p.seqlen_q != p.seqlen_k)
    add("it looks top-left: query i stands at key i", [&](Suspicion& s) { s.moved = p.seqlen_q - p.seqlen_k; });
  if (left || right)
    add(mask + " looks ignored", [](Suspicion& s) { s.problem.window_left = s.problem.window_right = -1; });
  if (left && right) {
    add("window_left looks ignored", [](Suspicion& s) { s.problem.window_left = -1; });
    add("window_right looks ignored", [](Suspicion& s) { s.problem.window_right = -1; });
  }
  if (p.window_right > 0) add("window_right looks taken for 0", [](Suspicion& s) { s.problem.window_right = 0; });
  if (right) {
    add(mask + " looks off by one: a query sees a key too many", [](Suspicion& s) { s.more_keys = 1; });
    add(mask + " looks off by one: a query sees a key too many", [](Suspicion& s) { ++s.problem.window_right; });
    add(mask + " looks off by one: a query does not see its last key", [](Suspicion& s) { s.more_keys = -1; });
  }
  if (left) {
    add("window_left looks off by one: a query sees a key too many", [](Suspicion& s) { ++s.problem.window_left; });
    if (p.window_left > 0)
      add("window_left looks off by one: a query does not see its first key",
          [](Suspicion& s) { --s.problem.window_left; });
  }
  if (p.kv_heads < p.heads) {
    add("heads look dealt to kv heads in turn, h % kv_heads: it is h / (heads / kv_heads)",
        [](Suspicion& s) { s.kv_head = KvHead::in_turn; });
    add("every head looks to read kv head 0", [](Suspicion& s) { s.kv_head = KvHead::first; });
  }
  for (const auto& [text, times] : {std::pair{"softmax_scale looks missing", 1 / softmax_scale(p, t)},
                                    {"softmax_scale looks applied twice", softmax_scale(p, t)},
                                    {"log2(e) looks missing in softmax_scale before 2^x", std::numbers::ln2},
                                    {"log2(e) looks multiplied into scores of e^x", std::numbers::log2e}})
    if (times != 1) add(text, [times = times](Suspicion& s) { s.scale *= times; });
  if (p.value_dim != p.head_dim)
    add("softmax_scale looks made from dv instead of d",
        [&](Suspicion& s) { s.scale = 1 / std::sqrt(static_cast<double>(p.value_dim)); });
  if (p.softcap > 0) {
    add("softcap looks ignored", [](Suspicion& s) { s.problem.softcap = 0; });
    add("scores look cut off at softcap, not bent by tanh", [](Suspicion& s) { s.cap = Cap::clamped; });
    add("tanh looks not multiplied by softcap", [](Suspicion& s) { s.cap = Cap::not_multiplied; });
  }
  if (p.dropout > 0) {
    add("dropout looks ignored", [](Suspicion& s) { s.problem.dropout = 0; });
    add("kept weights look not multiplied by 1 / (1 - p)", [](Suspicion& s) { s.drop = Drop::not_scaled; });
    add("weights look dropped before they are summed", [](Suspicion& s) { s.drop = Drop::before_sum; });
    add("all batches look to drop the weights of batch 0", [](Suspicion& s) { s.drop = Drop::as_batch_0; });
  }
  if (has_int8_kv(p)) {
    for (const auto& [scale, what] : {std::pair{Scale::none, "look ignored"},
                                      {Scale::of_key_before, "look taken from the key before"},
                                      {Scale::of_key_after, "look taken from the key after"},
                                      {Scale::of_head_0, "look taken from kv head 0"}}) {
      if (scale == Scale::of_head_0 && p.kv_heads == 1) continue;
      add(fmt::format("scales of k {}", what), [scale = scale](Suspicion& s) { s.k_scale = scale; });
      add(fmt::format("scales of v {}", what), [scale = scale](Suspicion& s) { s.v_scale = scale; });
      add(fmt::format("scales of k and v {}", what), [scale = scale](Suspicion& s) { s.k_scale = s.v_scale = scale; });
    }
    add("scales of v look multiplied into the sum of the weights", [](Suspicion& s) { s.v_scale_in_sum = true; });
    add("int8 looks read as unsigned", [](Suspicion& s) { s.is_unsigned = true; });
  }
  add("o looks not divided by the sum of its weights", [](Suspicion& s) { s.normalised = false; });
  for (const std::int64_t block : {4, 8, 16, 32, 64, 128}) {
    const std::string text = fmt::format("the last keys look lost, those that do not fill a block of {}", block);
    if (p.seqlen_k > block && p.seqlen_k % block != 0)
      add(text, [&](Suspicion& s) { s.key_end = p.seqlen_k / block * block; });
    if (p.seqlen_k > block) add(text, [&](Suspicion& s) { s.key_multiple = block; });
    if (p.head_dim > block && p.head_dim % block != 0)
      add(fmt::format("the last features look left out of q.k, those that do not fill a block of {}", block),
          [&](Suspicion& s) { s.dot_length = p.head_dim / block * block; });
  }
  for (const auto& [name, view] : {std::pair{"q", &Tensors::q}, {"k", &Tensors::k}, {"v", &Tensors::v}}) {
    const TensorView& given = t.*view;
    const TensorView dense = dense_view(given.data, given.shape, Layout::bhsd, given.dtype);
    if (dense.stride != given.stride)
      add(fmt::format("the strides of {} look ignored: read as if dense, [batch, head, row, dim]", name),
          [&, view = view](Suspicion& s) { s.tensors.*view = dense; });
  }
  return all;
}

// The oracle of some of its rows, of o alone or of o and lse.
Oracle part_of(const Oracle& whole, std::span<const std::size_t> picked, bool with_lse) {
  Oracle part{.problem = whole.problem,
              .yardstick_error = whole.yardstick_error,
              .yardstick_lse_error = whole.yardstick_lse_error};
  part.problem.lse = with_lse && whole.problem.lse;
  part.expected.value_dim = whole.expected.value_dim;
  const auto n = static_cast<std::size_t>(whole.expected.value_dim);
  const auto append = [&](std::vector<double>& to, const std::vector<double>& from, std::size_t row) {
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(row * n),
              from.begin() + static_cast<std::ptrdiff_t>(row * n + n));
  };
  for (const std::size_t row : picked) {
    part.rows.push_back(whole.rows[row]);
    append(part.expected.o, whole.expected.o, row);
    append(part.expected.abs_value, whole.expected.abs_value, row);
    part.expected.lse.push_back(whole.expected.lse[row]);
    part.expected.score_size.push_back(whole.expected.score_size[row]);
  }
  return part;
}

// At most so many of a list, evenly.
std::vector<std::size_t> thinned(const std::vector<std::size_t>& list, std::size_t most) {
  if (list.size() <= most) return list;
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < most; ++i) some.push_back(list[i * list.size() / most]);
  return some;
}

class ForwardDiagnosis {
 public:
  ForwardDiagnosis(const Oracle& oracle, const Tensors& t, double error_multiple)
      : oracle_(oracle), p_(oracle.problem), t_(t), error_multiple_(error_multiple) {
    constexpr std::size_t kMostLooked = 4096;
    std::vector<std::size_t> rows(oracle.rows.size());
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = r;
    for (const std::size_t row : thinned(rows, kMostLooked)) {
      looked_.push_back(row);
      if (!agrees(part_of(oracle, std::span(&row, 1), false), 1)) wrong_.push_back(row);
    }
    const std::int64_t of_row = p_.seqlen_k * (p_.head_dim + p_.value_dim);
    const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>(kMostProducts / of_row, 2, kMostRows));
    sample_ = thinned(wrong_, most - most / 4);
    for (const std::size_t row : thinned(looked_, most / 4 + 1)) sample_.push_back(row);
  }

  std::string text() {
    if (std::string empty = of_empty_rows(); !empty.empty()) return empty;
    std::string of_o = wrong_.empty() ? "" : of_output();
    const std::string of_lse = p_.lse ? this->of_lse() : "";
    const bool doubtful = wrong_.size() == 1 && explained_;
    return of_o + (doubtful ? "?" : "") + (of_o.empty() || of_lse.empty() ? "" : "; ") + of_lse;
  }

 private:
  bool agrees(const Oracle& expected, double lenience = kLenience) const {
    return check(expected, t_, lenience * error_multiple_).passed;
  }

  std::vector<float> actual(std::size_t row) const {
    std::vector<float> o(static_cast<std::size_t>(p_.value_dim));
    const Row& r = oracle_.rows[row];
    read_row(t_.o, r.batch, r.head, r.index, o.data());
    return o;
  }
  float actual_lse(std::size_t row) const {
    const Row& r = oracle_.rows[row];
    return t_.lse[(r.batch * p_.heads + r.head) * p_.seqlen_q + r.index];
  }
  std::span<const double> expected(std::size_t row) const {
    const auto n = static_cast<std::size_t>(p_.value_dim);
    return std::span(oracle_.expected.o).subspan(row * n, n);
  }
  bool sees_nothing(std::size_t row) const {
    const KeyRange keys = visible_keys(p_, oracle_.rows[row].index);
    return keys.begin >= keys.end;
  }

  // The outputs that it must clear itself.
  std::string of_empty_rows() const {
    const auto is_wrong = [&](std::size_t row) { return !agrees(part_of(oracle_, std::span(&row, 1), true), 1); };
    std::size_t empty = 0;
    for (const std::size_t row : looked_)
      if (is_wrong(row)) {
        if (!sees_nothing(row)) return {};
        ++empty;
      }
    return empty == 0 ? "" : "only rows that see no key are wrong: there o is 0 and lse -inf";
  }

  std::string of_output() {
    if (std::string unwritten = of_poison(); !unwritten.empty()) return unwritten;
    // Of what is nearly right any fault that does little would fit.
    if (agrees(part_of(oracle_, sample_, false)))
      return fmt::format("o is nearly right, within {:g} times its tolerance: its arithmetic is not exact enough",
                         kLenience);
    for (const Suspicion& suspicion : suspicions(p_, t_))
      if (fits(suspicion)) return explained_ = suspicion, suspicion.text;
    if (std::string heads = of_heads(); !heads.empty()) return heads;
    if (std::string factors = of_factors(); !factors.empty()) return factors;
    return of_places();
  }

  bool fits(const Suspicion& s) const {
    Oracle suspected = part_of(oracle_, sample_, false);
    suspected.expected.o.clear();
    suspected.expected.abs_value.clear();
    for (std::size_t r = 0; r < suspected.rows.size(); ++r) {
      // Most suspicions are out after a row.
      const SuspectedRow row = compute(s, suspected.rows[r]);
      suspected.expected.o.insert(suspected.expected.o.end(), row.o.begin(), row.o.end());
      suspected.expected.abs_value.insert(suspected.expected.abs_value.end(), row.abs_value.begin(),
                                          row.abs_value.end());
      suspected.expected.score_size[r] = row.score_size;
      if (r == 0) {
        Oracle first = suspected;
        first.rows.resize(1);
        if (!agrees(first)) return false;
      }
    }
    return agrees(suspected);
  }

  std::string of_poison() const {
    const auto is_unwritten = [&](std::size_t row) {
      const std::vector<float> o = actual(row);
      return std::ranges::all_of(o, [&](float x) { return is_poison(element_of(p_.dtype), x); });
    };
    const auto unwritten = static_cast<std::size_t>(std::ranges::count_if(wrong_, is_unwritten));
    if (unwritten == 0) return {};
    if (unwritten == looked_.size()) return "o is never written, or added to what it held";
    const Row& first = oracle_.rows[*std::ranges::find_if(wrong_, is_unwritten)];
    return fmt::format("o is not written in {} of {} rows, the first is b={}, h={}, q={}", unwritten, looked_.size(),
                       first.batch, first.head, first.index);
  }

  // Whether every head holds what belongs to another.
  std::string of_heads() const {
    if (oracle_.sampled || p_.heads == 1) return {};
    std::map<std::int64_t, std::int64_t> owner;  // by head
    for (std::int64_t h = 0; h < p_.heads; ++h)
      for (std::int64_t from = 0; from < p_.heads && !owner.contains(h); ++from) {
        const auto matches = [&](std::size_t row) {
          const Row& r = oracle_.rows[row];
          if (r.head != h) return true;
          const std::size_t other = static_cast<std::size_t>((r.batch * p_.heads + from) * p_.seqlen_q + r.index);
          Oracle expected = part_of(oracle_, std::span(&other, 1), false);
          expected.rows[0] = r;
          return agrees(expected);
        };
        if (std::ranges::all_of(sample_, matches)) owner[h] = from;
      }
    if (owner.size() != static_cast<std::size_t>(p_.heads)) return {};
    const auto moved = std::ranges::find_if(owner, [](const auto& entry) { return entry.first != entry.second; });
    if (moved == owner.end()) return {};
    return fmt::format("heads look exchanged: head {} of o holds what belongs to head {}", moved->first, moved->second);
  }

  // What a row has to be divided by to be right; empty where nothing does.
  std::optional<double> factor_of(std::size_t row) const {
    const std::vector<float> o = actual(row);
    const std::span<const double> right = expected(row);
    double product = 0, square = 0;
    for (std::size_t d = 0; d < o.size(); ++d) {
      product += o[d] * right[d];
      square += right[d] * right[d];
    }
    const double factor = product / square;
    if (!(square > 0) || !std::isfinite(factor) || factor == 0) return std::nullopt;
    Oracle scaled = part_of(oracle_, std::span(&row, 1), false);
    for (std::vector<double>* values : {&scaled.expected.o, &scaled.expected.abs_value})
      for (double& value : *values) value *= factor;
    for (double& scale : scaled.expected.abs_value) scale = std::fabs(scale);
    return agrees(scaled) ? std::optional(factor) : std::nullopt;
  }

  std::string of_factors() const {
    if (p_.value_dim < 2) return {};  // where any row is off by a factor
    std::vector<double> factors, padding;
    for (const std::size_t row : thinned(wrong_, kMostRows)) {
      const std::optional<double> factor = factor_of(row);
      if (!factor) return {};
      factors.push_back(*factor);
      padding.push_back((1 / *factor - 1) * std::exp(oracle_.expected.lse[row]));
    }
    const auto [least, most] = std::ranges::minmax(factors);
    const auto [fewest, highest] = std::ranges::minmax(padding);
    const double alike = 1e-3 + 2 * element_of(p_.dtype).eps;
    if (const double keys = std::round(fewest);
        factors.size() > 1 && keys >= 1 && std::fabs(highest - keys) < 0.1 && std::fabs(fewest - keys) < 0.1)
      return fmt::format("it looks as if {:.0f} more keys, with scores and values of 0, took part", keys);
    if (most - least <= alike * std::fabs(most))
      return fmt::format("o is off by a factor of {:.3g}",
                         std::accumulate(factors.begin(), factors.end(), 0.0) / static_cast<double>(factors.size()));
    return fmt::format(
        "every wrong row of o is off by a factor of its own, {:.3g} to {:.3g}: its weights do not add up", least, most);
  }

  // Where the wrong elements are, if that is somewhere in particular.
  std::string of_places() const {
    std::int64_t first_feature = p_.value_dim;
    Row first{p_.batch, p_.heads, p_.seqlen_q}, last{0, 0, 0};
    for (const std::size_t row : wrong_) {
      const Row& r = oracle_.rows[row];
      first = {std::min(first.batch, r.batch), std::min(first.head, r.head), std::min(first.index, r.index)};
      last = {std::max(last.batch, r.batch), std::max(last.head, r.head), std::max(last.index, r.index)};
      const std::vector<float> o = actual(row);
      const std::span<const double> right = expected(row);
      const auto scale = std::span(oracle_.expected.abs_value).subspan(row * right.size(), right.size());
      constexpr double kWrong = 1e-3;
      for (std::int64_t d = 0; d < first_feature; ++d)
        if (!(std::fabs(o[d] - right[d]) <= kWrong * scale[d])) first_feature = d;
    }
    if (first_feature > 0 && first_feature < p_.value_dim)
      return fmt::format("only features from {} on are wrong", first_feature);
    if (first.batch > 0) return fmt::format("only batches from {} on are wrong", first.batch);
    if (first.head > 0) return fmt::format("only heads from {} on are wrong", first.head);
    if (first.index > 0) return fmt::format("only rows from {} on are wrong", first.index);
    if (last.index < p_.seqlen_q - 1) return fmt::format("only rows up to {} are wrong", last.index);
    return {};
  }

  // lse beside an o that is right or explained.
  std::string of_lse() const {
    const Suspicion base = explained_.value_or(Suspicion("", p_, t_));
    const auto follows = [&](const std::function<double(const SuspectedRow&)>& lse_of) {
      return std::ranges::all_of(sample_, [&](std::size_t row) {
        const double expected = lse_of(compute(base, oracle_.rows[row])), actual = actual_lse(row);
        constexpr double kAlike = 1e-4;
        return std::isinf(expected) ? actual == expected
                                    : std::fabs(actual - expected) <= kAlike * (1 + std::fabs(expected));
      });
    };
    if (follows([](const SuspectedRow& r) { return r.lse(); })) return {};
    if (std::ranges::all_of(looked_, [&](std::size_t row) { return is_poison(element_of(ATTN_F32), actual_lse(row)); }))
      return "lse is never written";
    for (const auto& [text, lse_of] :
         std::initializer_list<std::pair<const char*, std::function<double(const SuspectedRow&)>>>{
             {"lse looks to be to base 2: it is a natural logarithm",
              [](const SuspectedRow& r) { return r.lse() / std::numbers::ln2; }},
             {"lse looks to leave out the row's maximum",
              [](const SuspectedRow& r) { return r.row_sum == 0 ? r.row_max : std::log(r.row_sum); }},
             {"lse looks to be the row's maximum alone", [](const SuspectedRow& r) { return r.row_max; }},
             {"lse looks to be the row's sum, without a logarithm", [](const SuspectedRow& r) { return r.row_sum; }}})
      if (follows(lse_of)) return text;
    return wrong_.empty() ? "o is right, lse is wrong" : "";
  }

  const Oracle& oracle_;
  const Problem& p_;
  const Tensors& t_;
  double error_multiple_;
  std::vector<std::size_t> looked_, wrong_;  // rows of the oracle; wrong in o
  std::vector<std::size_t> sample_;          // of the wrong ones, and a few of all
  std::optional<Suspicion> explained_;
};

// One of the gradients: the others are taken for right.
struct Gradient {
  const char* name;
  TensorView Tensors::*view;
  std::vector<Row> rows;
  const std::vector<double>& expected;
};

std::string diagnose_backward(const Oracle& oracle, const Tensors& t, double error_multiple) {
  const Problem& p = oracle.problem;
  if (oracle.sampled) return {};
  const ReferenceGradients<double>& g = oracle.gradients;
  const Gradient gradients[] = {{"dq", &Tensors::dq, oracle.rows, g.dq},
                                {"dk", &Tensors::dk, oracle.keys, g.dk},
                                {"dv", &Tensors::dv, oracle.keys, g.dv}};
  // Values of a gradient by row, in memory of their own.
  std::vector<AlignedBuffer> buffers;
  const auto written = [&](const Gradient& gradient,
                           const std::function<void(std::size_t, std::vector<float>&)>& fill) {
    TensorView view = t.*gradient.view;
    buffers.emplace_back(static_cast<std::size_t>(elements(view.shape) * element_of(view.dtype).bytes));
    view = dense_view(static_cast<void*>(buffers.back().data()), view.shape, Layout::bhsd, view.dtype);
    std::vector<float> row(static_cast<std::size_t>(view.shape[3]));
    for (std::size_t r = 0; r < gradient.rows.size(); ++r) {
      fill(r, row);
      write_row(view, gradient.rows[r].batch, gradient.rows[r].head, gradient.rows[r].index, row.data());
    }
    return view;
  };
  const auto expected = [&](const Gradient& gradient) {
    return written(gradient, [&](std::size_t r, std::vector<float>& row) {
      for (std::size_t d = 0; d < row.size(); ++d) row[d] = static_cast<float>(gradient.expected[r * row.size() + d]);
    });
  };
  const auto times = [&](const Gradient& gradient, double factor) {
    return written(gradient, [&](std::size_t r, std::vector<float>& row) {
      const Row& of = gradient.rows[r];
      read_row(t.*gradient.view, of.batch, of.head, of.index, row.data());
      for (float& x : row) x = static_cast<float>(x * factor);
    });
  };
  std::vector<std::string> fine, wrong, never, factors;
  for (const Gradient& gradient : gradients) {
    Tensors alone = t;
    for (const Gradient& other : gradients)
      if (other.view != gradient.view) alone.*other.view = expected(other);
    if (check(oracle, alone, error_multiple).passed) {
      fine.emplace_back(gradient.name);
      continue;
    }
    wrong.emplace_back(gradient.name);
    double product = 0, square = 0;
    bool all_poison = true;
    const TensorView& view = t.*gradient.view;
    const auto n = static_cast<std::size_t>(view.shape[3]);
    std::vector<float> row(n);
    for (std::size_t r = 0; r < gradient.rows.size(); ++r) {
      read_row(view, gradient.rows[r].batch, gradient.rows[r].head, gradient.rows[r].index, row.data());
      for (std::size_t d = 0; d < n; ++d) {
        const double right = gradient.expected[r * n + d];
        product += row[d] * right;
        square += right * right;
        all_poison &= is_poison(element_of(view.dtype), row[d]);
      }
    }
    if (all_poison) never.emplace_back(gradient.name);
    const double factor = product / square, scale = softmax_scale(p, t);
    constexpr double kMost = 1e4;  // beyond it a few elements say it all
    if (!(std::fabs(factor) <= kMost && std::fabs(factor) >= 1 / kMost) || std::fabs(factor - 1) < 1e-3) continue;
    alone.*gradient.view = times(gradient, 1 / factor);
    if (!check(oracle, alone, kLenience * error_multiple).passed) continue;
    const auto is = [&](double value) { return std::fabs(factor - value) <= 1e-2 * std::fabs(value); };
    factors.push_back(fmt::format("{} is off by a factor of {:.3g}{}", gradient.name, factor,
                                  scale == 1      ? ""
                                  : is(1 / scale) ? ": softmax_scale missing?"
                                  : is(scale)     ? ": softmax_scale applied twice?"
                                                  : ""));
  }
  if (!never.empty()) return fmt::format("never written, or added to what it held: {}", fmt::join(never, ", "));
  if (!factors.empty()) return fmt::format("{}", fmt::join(factors, "; "));
  // The reference of another problem; only where that is soon computed.
  const auto fits = [&](const std::function<void(Problem&)>& change) {
    Oracle changed{.problem = p, .rows = oracle.rows, .keys = oracle.keys, .yardstick_error = oracle.yardstick_error};
    change(changed.problem);
    changed.gradients = reference_gradients<double>(changed.problem, t, changed.rows, changed.keys);
    changed.problem = p;
    return check(changed, t, kLenience * error_multiple).passed;
  };
  constexpr std::int64_t kMostFlops = 20'000'000;
  if (flops(p) <= kMostFlops) {
    if ((p.window_left >= 0 || p.window_right >= 0) &&
        fits([](Problem& other) { other.window_left = other.window_right = -1; }))
      return "the mask looks ignored";
    if (p.softcap > 0 && fits([](Problem& other) { other.softcap = 0; })) return "softcap looks ignored";
    if (p.dropout > 0 && fits([](Problem& other) { other.dropout = 0; })) return "dropout looks ignored";
  }
  if (fine.empty()) return {};
  return fmt::format("{} {} right, {} wrong", fmt::join(fine, " and "), fine.size() == 1 ? "is" : "are",
                     fmt::join(wrong, " and "));
}

}  // namespace

std::string diagnose(const Oracle& oracle, const Tensors& tensors, double error_multiple) {
  if (oracle.problem.backward) return diagnose_backward(oracle, tensors, error_multiple);
  return ForwardDiagnosis(oracle, tensors, error_multiple).text();
}

}  // namespace attn::bench
