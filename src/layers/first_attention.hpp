// Attention as one writes it for the first time, in fp64 on vectors of rows, to be read from top to bottom. The comment
// below each forward step is its equation backwards, and the line below that does it: dY, the gradient of a loss with respect
// to what the step made, becomes that with respect to what it was made of. Those lines wait on a tape, which runs in reverse.
//
// first_attention.cpp shows what it computes, and that the library's layers compute the same. From here on:
// variants/README.md. Source: Vaswani et al., "Attention Is All You Need", section 3.2.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "dropout.hpp"

namespace attn::first {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;
using Tape = std::vector<std::function<void()>>;

inline Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), Row(b[0].size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < b.size(); ++k)
      for (std::size_t j = 0; j < b[k].size(); ++j) c[i][j] += a[i][k] * b[k][j];
  return c;
}

inline Matrix transposed(const Matrix& a) {
  Matrix t(a[0].size(), Row(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j) t[j][i] = a[i][j];
  return t;
}

inline void add(Matrix& sum, const Matrix& a) {
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j) sum[i][j] += a[i][j];
}

// Drops each element with a probability and makes the others larger for it; which, is of the seed and a number, and the
// same in the library (src/dropout.hpp).
inline Matrix dropout(Matrix x, double probability, std::uint64_t seed, std::size_t number) {
  const Dropout mask = make_dropout(probability, seed, static_cast<std::int64_t>(number));
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x[i].size(); ++j) x[i][j] *= dropout_factor(mask, 0, 0, i, j);
  return x;
}

struct Head {
  Matrix wq, wk, wv, dwq, dwk, dwv;                       // [head_dim, d_model]
  Matrix q, k, v, o, dq, dk, dv, d_o;                     // [tokens, head_dim]
  Matrix scores, probs, kept, d_scores, d_probs, d_kept;  // [tokens, tokens]

  // o of x [tokens, d_model]; backwards, from d_o, the gradients of the weights, and what is added to dx.
  void forward(const Matrix& x, Matrix& dx, double drop, std::uint64_t seed, std::size_t number, Tape& tape) {
    // q = x Wq^T, and so k and v
    q = x * transposed(wq), k = x * transposed(wk), v = x * transposed(wv);
    // dWq = dq^T x and dx = dq Wq, and so of k and v, where dx is the sum
    tape.push_back([&] {
      dwq = transposed(dq) * x, dwk = transposed(dk) * x, dwv = transposed(dv) * x;
      add(dx, dq * wq), add(dx, dk * wk), add(dx, dv * wv);
    });

    // S_ij = q_i . k_j / sqrt(head_dim) of each token j up to i, the others being masked
    const std::size_t tokens = x.size(), head_dim = wq.size();
    scores = Matrix(tokens, Row(tokens, -std::numeric_limits<double>::infinity()));
    for (std::size_t i = 0; i < tokens; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        scores[i][j] = 0;
        for (std::size_t d = 0; d < head_dim; ++d) scores[i][j] += q[i][d] * k[j][d] / std::sqrt(head_dim);
      }
    // dq = dS k / sqrt(head_dim), dk = dS^T q / sqrt(head_dim)
    tape.push_back([&, head_dim] {
      for (Row& row : d_scores)
        for (double& d : row) d /= std::sqrt(head_dim);
      dq = d_scores * k, dk = transposed(d_scores) * q;
    });

    // P_ij = exp(S_ij) / sum_j exp(S_ij); the largest of the row cancels, and keeps exp from overflowing
    probs = scores;
    for (Row& row : probs) {
      const double largest = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (double& p : row) sum += p = std::exp(p - largest);
      for (double& p : row) p /= sum;
    }
    // dS_ij = P_ij (dP_ij - sum_j P_ij dP_ij)
    tape.push_back([&, tokens] {
      d_scores = d_probs;
      for (std::size_t i = 0; i < tokens; ++i) {
        double mean = 0;
        for (std::size_t j = 0; j < tokens; ++j) mean += probs[i][j] * d_probs[i][j];
        for (std::size_t j = 0; j < tokens; ++j) d_scores[i][j] = probs[i][j] * (d_probs[i][j] - mean);
      }
    });

    // Some weights are dropped; their gradients are, too
    kept = dropout(probs, drop, seed, number);
    tape.push_back([=, this] { d_probs = dropout(d_kept, drop, seed, number); });

    // o_i = sum_j P_ij v_j
    o = kept * v;
    // dP = do v^T, dv = P^T do
    tape.push_back([&] { d_kept = d_o * transposed(v), dv = transposed(kept) * d_o; });
  }
};

struct MultiHead {
  std::vector<Head> heads;
  Matrix w, dw;         // [d_model, d_model], the output projection
  Matrix bias, d_bias;  // [1, d_model]
  double drop, output_drop;
  std::uint64_t seed;
  Matrix concat, y, dx, d_concat, dy;  // [tokens, d_model]
  Tape tape;                           // of addresses in here: between forward and backward a model stays where it is

  // y of x. Each head has a mask of its own, the output that of one head more.
  void forward(const Matrix& x) {
    tape.clear();
    dx = Matrix(x.size(), Row(x[0].size()));
    for (std::size_t h = 0; h < heads.size(); ++h) heads[h].forward(x, dx, drop, seed, h, tape);

    // Row i of concat is row i of the first head's o, then of the second's, ...
    concat.assign(x.size(), {});
    for (const Head& head : heads)
      for (std::size_t i = 0; i < x.size(); ++i) concat[i].insert(concat[i].end(), head.o[i].begin(), head.o[i].end());
    // d_concat is cut into the heads' do
    tape.push_back([&] {
      for (std::size_t h = 0, head_dim = heads[0].wq.size(); h < heads.size(); ++h) {
        heads[h].d_o.clear();
        for (const Row& row : d_concat) heads[h].d_o.emplace_back(&row[h * head_dim], &row[h * head_dim] + head_dim);
      }
    });

    // y = concat W^T + 1 bias
    const Matrix ones(x.size(), Row{1});
    y = concat * transposed(w);
    add(y, ones * bias);
    // dW = dy^T concat, d_concat = dy W, d_bias = 1^T dy
    tape.push_back([&, ones] { dw = transposed(dy) * concat, d_concat = dy * w, d_bias = transposed(ones) * dy; });

    // Some outputs are dropped
    y = dropout(y, output_drop, seed, heads.size());
    tape.push_back([&] { dy = dropout(dy, output_drop, seed, heads.size()); });
  }

  // All gradients, from dy.
  void backward() {
    for (; !tape.empty(); tape.pop_back()) tape.back()();
  }
};

}  // namespace attn::first
