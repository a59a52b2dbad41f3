// Gradients that a fast kernel cannot finish, computed again in plain loops as naive_backward has them: it leaves pairs
// whose score is -inf out, where products of tiles make 0 x inf = NaN of them.
#pragma once

#include "detail/exact_row.hpp"

namespace attn::ATTN_ISA {
namespace {

// What a pair of a query and a key of its head contributes: weight do to dv, ds q to dk, ds k to dq.
struct ExactPair {
  bool left_out;
  float weight, ds;
};

template <class E>
ExactPair exact_pair(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const Problem& p = *args.problem;
  const std::int64_t kv_head = kv_head_of(p, h);
  const E* d_o = row_of<E>(args.do_, b, h, i);
  const float score = score_of(
      p, args.softmax_scale * plain_dot(row_of<E>(args.q, b, h, i), row_of<E>(args.k, b, kv_head, j), p.head_dim));
  if (score == -std::numeric_limits<float>::infinity()) return {.left_out = true, .weight = 0, .ds = 0};
  const float delta = plain_dot<E>(d_o, row_of<E>(args.o, b, h, i), p.value_dim);
  const float prob = std::exp(score - args.lse[(b * p.heads + h) * p.seqlen_q + i]);
  const float factor = p.dropout > 0 ? dropout_factor(make_dropout(args), b, h, i, j) : 1.0f;
  const float dp = plain_dot(d_o, row_of<E>(args.v, b, kv_head, j), p.value_dim);
  return {.left_out = false,
          .weight = prob * factor,
          .ds = args.softmax_scale * slope_of(p, score, 0.0f).value * prob * (factor * dp - delta)};
}

// gradient[d] = sum of factor * x[d] over what each_row(add) calls add(factor, x) for. There is no scratch for a row of sums
// in f32: they are made in parts, and each_row is called for each.
template <class E, class EachRow>
void sum_exactly(E* gradient, std::int64_t dim, const EachRow& each_row) {
  constexpr std::int64_t kPart = 256;
  for (std::int64_t first = 0; first < dim; first += kPart) {
    const std::int64_t count = std::min(kPart, dim - first);
    std::array<float, kPart> sum = {};
    each_row([&](float factor, const E* x) {
      for (std::int64_t d = 0; d < count; ++d) sum[d] += factor * to_float(x[first + d]);
    });
    for (std::int64_t d = 0; d < count; ++d) gradient[first + d] = round_to<E>(sum[d]);
  }
}

template <class E>
[[gnu::noinline, gnu::cold]] void compute_dq_exactly(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i) {
  const Problem& p = *args.problem;
  const KeyRange keys = visible_keys(p, i);
  sum_exactly(row_of<E>(args.dq, b, h, i), p.head_dim, [&](const auto& add) {
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const ExactPair pair = exact_pair<E>(args, b, h, i, j);
      if (!pair.left_out) add(pair.ds, row_of<E>(args.k, b, kv_head_of(p, h), j));
    }
  });
}

template <class E>
[[gnu::noinline, gnu::cold]] void compute_dk_dv_exactly(const Args& args, std::int64_t b, std::int64_t kv_head,
                                                        std::int64_t j) {
  const Problem& p = *args.problem;
  const std::int64_t group = p.heads / p.kv_heads;
  // f(pair, head, query) for the pairs of this key that count.
  const auto for_each_pair = [&](const auto& f) {
    for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
        const KeyRange keys = visible_keys(p, i);
        if (j < keys.begin || j >= keys.end) continue;
        const ExactPair pair = exact_pair<E>(args, b, h, i, j);
        if (!pair.left_out) f(pair, h, i);
      }
  };
  sum_exactly(row_of<E>(args.dk, b, kv_head, j), p.head_dim, [&](const auto& add) {
    for_each_pair(
        [&](const ExactPair& pair, std::int64_t h, std::int64_t i) { add(pair.ds, row_of<E>(args.q, b, h, i)); });
  });
  sum_exactly(row_of<E>(args.dv, b, kv_head, j), p.value_dim, [&](const auto& add) {
    for_each_pair(
        [&](const ExactPair& pair, std::int64_t h, std::int64_t i) { add(pair.weight, row_of<E>(args.do_, b, h, i)); });
  });
}

// For the end of a row whose gradients are written: computes them again where they are not finite.
template <class E>
void mend_dq(const Args& args, std::int64_t b, std::int64_t h, std::int64_t i) {
  if (!is_finite(row_of<E>(args.dq, b, h, i), args.problem->head_dim)) [[unlikely]]
    compute_dq_exactly<E>(args, b, h, i);
}

template <class E>
void mend_dk_dv(const Args& args, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
  const Problem& p = *args.problem;
  if (!is_finite(row_of<E>(args.dk, b, kv_head, j), p.head_dim) ||
      !is_finite(row_of<E>(args.dv, b, kv_head, j), p.value_dim)) [[unlikely]]
    compute_dk_dv_exactly<E>(args, b, kv_head, j);
}

}  // namespace
}  // namespace attn::ATTN_ISA
