#include "layers/linear.hpp"

#include <algorithm>
#include <cmath>

#include "philox.hpp"
#include "run.hpp"
#include "with_team.hpp"

namespace attn::layers {

void reshape_to_zeros(LinearWeights& w, std::int64_t out, std::int64_t in, bool has_bias) {
  w.out = out, w.in = in;
  w.weight.assign(static_cast<std::size_t>(out * in), 0.0f);
  w.bias.assign(has_bias ? static_cast<std::size_t>(out) : 0, 0.0f);
}

void fill_uniform(std::vector<float>& values, double bound, std::uint64_t seed, std::uint32_t tensor) {
  constexpr std::uint32_t kWeights = 0xffffffff;  // where a dropout mask has the batch entry
  for (std::uint64_t e = 0; e < values.size(); ++e) {
    const auto words =
        philox({static_cast<std::uint32_t>(e / 4), static_cast<std::uint32_t>(e / 4 >> 32), tensor, kWeights}, seed);
    // Products alone, no sum: a compiler that fuses the two would round otherwise.
    values[e] = static_cast<float>(bound * (static_cast<std::int32_t>(words[e % 4]) * 0x1p-31));
  }
}

void init(LinearWeights& w, std::uint64_t seed, std::uint32_t number) {
  const double bound = 1 / std::sqrt(static_cast<double>(w.in));
  fill_uniform(w.weight, bound, seed, 2 * number);
  fill_uniform(w.bias, bound, seed, 2 * number + 1);
}

void linear(ConstMatrixView x, const LinearSlice& w, MatrixView y, Gemm gemm, int threads) {
  validate_threads(threads);
  with_team(threads, [&] {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t i = 0; i < y.rows; ++i) {
      float* row = y.data + i * y.stride;
      if (w.weights.bias.empty())
        std::fill_n(row, y.columns, 0.0f);
      else
        std::copy_n(w.weights.bias.data() + w.first, y.columns, row);
    }
  });
  multiply_add(x, w.weight(), y, Transposed::second, gemm, threads);
}

void linear_backward(ConstMatrixView x, const LinearSlice& w, ConstMatrixView dy, MatrixView dx,
                     LinearWeights& gradients, Gemm gemm, int threads) {
  const std::int64_t in = w.weights.in;
  if (dx.data != nullptr) multiply_add(dy, w.weight(), dx, Transposed::none, gemm, threads);
  const MatrixView dw{gradients.weight.data() + w.first * in, w.count, in, in};
  multiply_add(dy, x, dw, Transposed::first, gemm, threads);
  if (gradients.bias.empty()) return;
  for (std::int64_t i = 0; i < dy.rows; ++i)
    for (std::int64_t j = 0; j < w.count; ++j) gradients.bias[w.first + j] += dy.data[i * dy.stride + j];
}

}  // namespace attn::layers
