#include "reference.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include "dropout.hpp"
#include "float_control.hpp"
#include "quantisation.hpp"
#include "scores.hpp"
#include "with_team.hpp"

namespace attn {
namespace {

// What multiplies weight (i, j) of a head.
template <class T>
T dropout(const Problem& p, const Tensors& in, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  if (p.dropout == 0) return 1;
  return dropout_factor(make_dropout(p.dropout, in.seed, in.first_head), b, h, i, j) == 0
             ? T{0}
             : static_cast<T>(1 / (1 - p.dropout));
}

// Below this f32 has no normal numbers: a weight may become 0, and a product is off by up to 2^-150, an eps of it.
constexpr double kLeastNormal = 0x1p-126;

// What plain loops in f32 keep of a weight that they hand on to a product: in 16 bits, as many significant bits; not the
// range, since a kernel that lets weights of f16 vanish below 2^-24 is to be found out. The oracle keeps all of it.
template <class E, class T>
T as_kept(T x) {
  if constexpr (std::is_same_v<T, float>)
    return std::isfinite(x) ? round_bits_to<E>(x) : x;
  else
    return x;
}

// A weight, raised so that an eps of it covers what f32 loses of it to underflow: perhaps all of it, half an eps more than
// kLeastNormal for its own rounding.
template <class T>
T raised(T weight) {
  constexpr T kEps = std::numeric_limits<float>::epsilon();
  const T least = static_cast<T>(kLeastNormal);
  return weight + (weight < 2 * least ? weight / kEps : 0) + (weight > 0 ? least : 0);
}

// The same of a sum of products, which has no such cliff.
template <class T>
T floored(T sum) {
  return sum > 0 ? sum + static_cast<T>(kLeastNormal) : sum;
}

// What multiplies each element of a row of k or v, and the score or the weight that it has a part in.
template <class T>
struct RowScale {
  T element = 1, folded = 1;
};

template <class T, class KV>
RowScale<T> scale_of_row(const TensorView& scales, Scales where, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
  if constexpr (std::is_same_v<KV, Int8>) {
    const T scale = scale_of(scales, b, kv_head, j);
    return where == Scales::folded ? RowScale<T>{.folded = scale} : RowScale<T>{.element = scale};
  }
  return {};
}

// The score of a pair, and softmax_scale sum_d |q_d k_d|.
template <class T>
struct Score {
  T value = 0, size = 0;
};

template <class T, class E, class KV>
Score<T> reference_score(const Problem& p, const E* q, const KV* k, RowScale<T> k_scale, T scale) {
  Score<T> score;
  for (std::int64_t d = 0; d < p.head_dim; ++d) {
    const T product = static_cast<T>(to_float(q[d])) * (k_scale.element * static_cast<T>(to_float(k[d])));
    score.value += product;
    score.size += std::fabs(product);
  }
  return {score_of(p, score.value * k_scale.folded * scale), score.size * k_scale.folded * scale};
}

// The same of a weight that was multiplied by the scale of a value before it met this element.
template <class T, class KV>
T underflow_of_scale(KV value) {
  if constexpr (std::is_same_v<KV, Int8>)
    return static_cast<T>(kLeastNormal) * std::fabs(static_cast<T>(to_float(value)));
  else
    return 0;
}

template <class T>
constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();

template <class T, class E, class KV>
void reference_row(const Problem& p, const Tensors& in, const Row& row, Scales scales, T* o, T* abs_value, T* lse,
                   T* score_size) {
  const std::int64_t kv_head = kv_head_of(p, row.head);
  const KeyRange keys = visible_keys(p, row.index);
  const E* q = row_of<E>(in.q, row.batch, row.head, row.index);
  const T scale = static_cast<T>(softmax_scale(p, in));

  std::vector<T> probs(static_cast<std::size_t>(keys.end - keys.begin)), sizes(probs.size());
  T row_max = kMinusInfinity<T>;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const RowScale<T> k_scale = scale_of_row<T, KV>(in.k_scale, scales, row.batch, kv_head, j);
    const Score<T> score = reference_score<T>(p, q, row_of<KV>(in.k, row.batch, kv_head, j), k_scale, scale);
    probs[j - keys.begin] = score.value;
    sizes[j - keys.begin] = score.size;
    row_max = std::max(row_max, score.value);
  }

  // Where every score is -inf, subtracting 0 instead of the maximum gives weights of 0 and no NaN.
  const T shift = row_max == kMinusInfinity<T> ? 0 : row_max;
  T row_sum = 0;
  *score_size = 0;
  for (std::size_t j = 0; j < probs.size(); ++j) {
    probs[j] = std::exp(probs[j] - shift);
    row_sum += probs[j];
    if (probs[j] >= static_cast<T>(kLeastNormal)) *score_size = std::max(*score_size, sizes[j]);
  }

  std::fill(o, o + p.value_dim, T{0});
  std::fill(abs_value, abs_value + p.value_dim, T{0});
  const T divisor = row_sum == 0 ? 1 : row_sum;
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const KV* v = row_of<KV>(in.v, row.batch, kv_head, j);
    const RowScale<T> v_scale = scale_of_row<T, KV>(in.v_scale, scales, row.batch, kv_head, j);
    const T factor = dropout<T>(p, in, row.batch, row.head, row.index, j);
    const T prob = as_kept<E>(probs[j - keys.begin] / divisor * factor) * v_scale.folded;
    const T abs_prob = raised(probs[j - keys.begin]) / divisor * factor * v_scale.folded;
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      const T value = v_scale.element * static_cast<T>(to_float(v[d]));
      o[d] += prob * value;
      abs_value[d] += abs_prob * std::fabs(value) + underflow_of_scale<T>(v[d]);
    }
  }
  for (std::int64_t d = 0; d < p.value_dim; ++d) abs_value[d] = floored(abs_value[d]);
  *lse = row_max + std::log(row_sum);
}

// One pair of the backward pass: its weight as dv meets it, the gradient of softmax_scale q.k, the scales of their errors, and the size of what the
// weight's exponent is the difference of.
template <class T>
struct Pair {
  T weight = 0, abs_weight = 0, ds = 0, abs_ds = 0, size = 0;
};

// Empty for a pair whose score is -inf.
template <class T, class E>
std::optional<Pair<T>> reference_pair(const Problem& p, const Tensors& in, const Row& query, std::int64_t j, T delta,
                                      T abs_delta) {
  const std::int64_t kv_head = kv_head_of(p, query.head);
  const E* v = row_of<E>(in.v, query.batch, kv_head, j);
  const E* d_o = row_of<E>(in.do_, query.batch, query.head, query.index);
  const Score<T> score =
      reference_score<T>(p, row_of<E>(in.q, query.batch, query.head, query.index),
                         row_of<E>(in.k, query.batch, kv_head, j), RowScale<T>(), static_cast<T>(softmax_scale(p, in)));
  if (score.value == kMinusInfinity<T>) return {};
  T dp = 0, abs_dp = 0;
  for (std::int64_t d = 0; d < p.value_dim; ++d) {
    const T product = static_cast<T>(to_float(d_o[d])) * static_cast<T>(to_float(v[d]));
    dp += product;
    abs_dp += std::fabs(product);
  }
  const T lse = in.lse[(query.batch * p.heads + query.head) * p.seqlen_q + query.index];
  const T prob = std::exp(score.value - lse), abs_prob = raised(prob);
  const T factor = dropout<T>(p, in, query.batch, query.head, query.index, j);
  const ScoreSlope<T> slope = slope_of(p, score.value, score.size);
  return Pair<T>{.weight = as_kept<E>(prob * factor),
                 .abs_weight = abs_prob * factor,
                 .ds = as_kept<E>(prob * (factor * dp - delta) * slope.value),
                 .abs_ds = floored(abs_prob * (factor * floored(abs_dp) + floored(abs_delta)) * slope.size),
                 .size = prob >= static_cast<T>(kLeastNormal) ? score.size + std::fabs(lse) : 0};
}

// do . o and the sum of the products' absolute values.
template <class T, class E>
std::pair<T, T> reference_delta(const Problem& p, const Tensors& in, const Row& query) {
  const E* o = row_of<E>(in.o, query.batch, query.head, query.index);
  const E* d_o = row_of<E>(in.do_, query.batch, query.head, query.index);
  T sum = 0, abs_sum = 0;
  for (std::int64_t d = 0; d < p.value_dim; ++d) {
    const T product = static_cast<T>(to_float(d_o[d])) * static_cast<T>(to_float(o[d]));
    sum += product;
    abs_sum += std::fabs(product);
  }
  return {sum, abs_sum};
}

// sum[d] += factor * row[d] and the same in absolute values.
template <class T, class E>
void accumulate(T* sum, T* abs_sum, T factor, T abs_factor, const E* row, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) {
    const T value = to_float(row[d]);
    sum[d] += factor * value;
    abs_sum[d] += abs_factor * std::fabs(value);
  }
}

// The end of a gradient's row.
template <class T>
void floor_scale(T* abs_sum, std::int64_t n) {
  for (std::int64_t d = 0; d < n; ++d) abs_sum[d] = floored(abs_sum[d]);
}

template <class T, class E>
void reference_dq(const Problem& p, const Tensors& in, const Row& query, T* dq, T* abs_dq, T* size) {
  const auto [delta, abs_delta] = reference_delta<T, E>(p, in, query);
  const KeyRange keys = visible_keys(p, query.index);
  const T scale = static_cast<T>(softmax_scale(p, in));
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const auto pair = reference_pair<T, E>(p, in, query, j, delta, abs_delta);
    if (!pair) continue;
    const E* k = row_of<E>(in.k, query.batch, kv_head_of(p, query.head), j);
    accumulate(dq, abs_dq, scale * pair->ds, scale * pair->abs_ds, k, p.head_dim);
    *size = std::max(*size, pair->size);
  }
  floor_scale(abs_dq, p.head_dim);
}

template <class T, class E>
void reference_dk_dv(const Problem& p, const Tensors& in, const Row& key, T* dk, T* abs_dk, T* dv, T* abs_dv, T* size) {
  const T scale = static_cast<T>(softmax_scale(p, in));
  const std::int64_t group = p.heads / p.kv_heads;
  for (std::int64_t h = key.head * group; h < (key.head + 1) * group; ++h)
    for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
      const KeyRange keys = visible_keys(p, i);
      if (key.index < keys.begin || key.index >= keys.end) continue;
      const Row query{key.batch, h, i};
      const auto [delta, abs_delta] = reference_delta<T, E>(p, in, query);
      const auto pair = reference_pair<T, E>(p, in, query, key.index, delta, abs_delta);
      if (!pair) continue;
      accumulate(dk, abs_dk, scale * pair->ds, scale * pair->abs_ds, row_of<E>(in.q, key.batch, h, i), p.head_dim);
      accumulate(dv, abs_dv, pair->weight, pair->abs_weight, row_of<E>(in.do_, key.batch, h, i), p.value_dim);
      *size = std::max(*size, pair->size);
    }
  floor_scale(abs_dk, p.head_dim);
  floor_scale(abs_dv, p.value_dim);
}

std::vector<Row> rows_of_heads(std::int64_t batch, std::int64_t heads, std::int64_t count) {
  std::vector<Row> rows;
  rows.reserve(static_cast<std::size_t>(batch * heads * count));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < count; ++i) rows.push_back({b, h, i});
  return rows;
}

}  // namespace

double softmax_scale(const Problem& p) { return 1.0 / std::sqrt(static_cast<double>(p.head_dim)); }

double softmax_scale(const Problem& p, const Tensors& t) { return t.softmax_scale.value_or(softmax_scale(p)); }

std::vector<Row> all_rows(const Problem& p) { return rows_of_heads(p.batch, p.heads, p.seqlen_q); }

std::vector<Row> all_keys(const Problem& p) { return rows_of_heads(p.batch, p.kv_heads, p.seqlen_k); }

template <class T>
ReferenceRows<T> reference(const Problem& p, const Tensors& inputs, const std::vector<Row>& rows, Scales scales) {
  ReferenceRows<T> result{.value_dim = p.value_dim};
  result.o.resize(rows.size() * p.value_dim);
  result.abs_value.resize(rows.size() * p.value_dim);
  result.lse.resize(rows.size());
  result.score_size.resize(rows.size());
  with_team(default_team(), [&] {
#pragma omp parallel for schedule(dynamic, 8)
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const DefaultFloatControl control;
      with_elements(p, [&]<class E, class KV>(E, KV) {
        reference_row<T, E, KV>(p, inputs, rows[r], scales, &result.o[r * p.value_dim],
                                &result.abs_value[r * p.value_dim], &result.lse[r], &result.score_size[r]);
      });
    }
  });
  return result;
}

template <class T>
ReferenceGradients<T> reference_gradients(const Problem& p, const Tensors& inputs, const std::vector<Row>& queries,
                                          const std::vector<Row>& keys) {
  ReferenceGradients<T> result;
  const std::int64_t d = p.head_dim, dv = p.value_dim;
  for (std::vector<T>* of_queries : {&result.dq, &result.abs_dq}) of_queries->resize(queries.size() * d);
  for (std::vector<T>* of_keys : {&result.dk, &result.abs_dk}) of_keys->resize(keys.size() * d);
  for (std::vector<T>* of_keys : {&result.dv, &result.abs_dv}) of_keys->resize(keys.size() * dv);
  result.query_size.resize(queries.size());
  result.key_size.resize(keys.size());
  with_team(default_team(), [&] {
#pragma omp parallel for schedule(dynamic, 8)
    for (std::size_t r = 0; r < queries.size(); ++r) {
      const DefaultFloatControl control;
      with_element(p.dtype, [&]<class E>(E) {
        reference_dq<T, E>(p, inputs, queries[r], &result.dq[r * d], &result.abs_dq[r * d], &result.query_size[r]);
      });
    }
#pragma omp parallel for schedule(dynamic, 8)
    for (std::size_t r = 0; r < keys.size(); ++r) {
      const DefaultFloatControl control;
      with_element(p.dtype, [&]<class E>(E) {
        reference_dk_dv<T, E>(p, inputs, keys[r], &result.dk[r * d], &result.abs_dk[r * d], &result.dv[r * dv],
                              &result.abs_dv[r * dv], &result.key_size[r]);
      });
    }
  });
  return result;
}

template ReferenceRows<float> reference(const Problem&, const Tensors&, const std::vector<Row>&, Scales);
template ReferenceRows<double> reference(const Problem&, const Tensors&, const std::vector<Row>&, Scales);
template ReferenceGradients<float> reference_gradients(const Problem&, const Tensors&, const std::vector<Row>&,
                                                       const std::vector<Row>&);
template ReferenceGradients<double> reference_gradients(const Problem&, const Tensors&, const std::vector<Row>&,
                                                        const std::vector<Row>&);

}  // namespace attn
