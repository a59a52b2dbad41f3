#include "reference.hpp"

#include <cmath>
#include <limits>

namespace attn {
namespace {

template <class T>
void reference_row(const Problem& p, const Tensors& in, const Row& row, T* o, T* abs_value, T* lse) {
  const std::int64_t kv_head = kv_head_of(p, row.head);
  const KeyRange keys = visible_keys(p, row.query);
  const float* q = row_of<float>(in.q, row.batch, row.head, row.query);
  const T scale = static_cast<T>(softmax_scale(p));

  std::vector<T> probs(static_cast<std::size_t>(keys.end - keys.begin));
  T row_max = -std::numeric_limits<T>::infinity();
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const float* k = row_of<float>(in.k, row.batch, kv_head, j);
    T score = 0;
    for (std::int64_t d = 0; d < p.head_dim; ++d) score += static_cast<T>(q[d]) * static_cast<T>(k[d]);
    probs[j - keys.begin] = score * scale;
    row_max = std::max(row_max, probs[j - keys.begin]);
  }

  T row_sum = 0;
  for (T& prob : probs) {
    prob = std::exp(prob - row_max);
    row_sum += prob;
  }

  std::fill(o, o + p.value_dim, T{0});
  std::fill(abs_value, abs_value + p.value_dim, T{0});
  for (std::int64_t j = keys.begin; j < keys.end; ++j) {
    const float* v = row_of<float>(in.v, row.batch, kv_head, j);
    const T prob = probs[j - keys.begin] / row_sum;
    for (std::int64_t d = 0; d < p.value_dim; ++d) {
      o[d] += prob * static_cast<T>(v[d]);
      abs_value[d] += prob * static_cast<T>(std::fabs(v[d]));
    }
  }
  *lse = probs.empty() ? -std::numeric_limits<T>::infinity() : row_max + std::log(row_sum);
}

}  // namespace

double softmax_scale(const Problem& p) { return 1.0 / std::sqrt(static_cast<double>(p.head_dim)); }

std::vector<Row> all_rows(const Problem& p) {
  std::vector<Row> rows;
  rows.reserve(static_cast<std::size_t>(p.batch * p.heads * p.seqlen_q));
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i) rows.push_back({b, h, i});
  return rows;
}

template <class T>
ReferenceRows<T> reference(const Problem& p, const Tensors& inputs, const std::vector<Row>& rows) {
  ReferenceRows<T> result{.value_dim = p.value_dim};
  result.o.resize(rows.size() * p.value_dim);
  result.abs_value.resize(rows.size() * p.value_dim);
  result.lse.resize(rows.size());
#pragma omp parallel for schedule(dynamic, 8)
  for (std::size_t r = 0; r < rows.size(); ++r)
    reference_row(p, inputs, rows[r], &result.o[r * p.value_dim], &result.abs_value[r * p.value_dim], &result.lse[r]);
  return result;
}

template ReferenceRows<float> reference(const Problem&, const Tensors&, const std::vector<Row>&);
template ReferenceRows<double> reference(const Problem&, const Tensors&, const std::vector<Row>&);

}  // namespace attn
