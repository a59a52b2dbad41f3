// Linear: y = x W^T + bias, and its gradients. W lies as in PyTorch, [out, in], one row per output feature.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/gemm.hpp"

namespace attn::layers {

// A tensor [batch, length, features] of floats: what layers take and give. One token is one row.
struct Sequence {
  std::int64_t batch = 0, length = 0, features = 0;
  std::vector<float> data = {};

  Sequence() = default;
  Sequence(std::int64_t batch_, std::int64_t length_, std::int64_t features_)
      : batch(batch_),
        length(length_),
        features(features_),
        data(static_cast<std::size_t>(batch * length * features)) {}

  std::int64_t tokens() const { return batch * length; }
  float* token(std::int64_t b, std::int64_t i) { return data.data() + (b * length + i) * features; }
  const float* token(std::int64_t b, std::int64_t i) const { return data.data() + (b * length + i) * features; }
  MatrixView matrix() { return {data.data(), tokens(), features, features}; }
  ConstMatrixView matrix() const { return {data.data(), tokens(), features, features}; }
};

// The weights of a Linear, or gradients with respect to them. bias is empty where the layer has none.
struct LinearWeights {
  std::int64_t out = 0, in = 0;
  std::vector<float> weight;  // [out, in]
  std::vector<float> bias;    // [out]

  LinearWeights() = default;
  LinearWeights(std::int64_t out_, std::int64_t in_, bool has_bias)
      : out(out_),
        in(in_),
        weight(static_cast<std::size_t>(out * in)),
        bias(has_bias ? static_cast<std::size_t>(out) : 0) {}
};

// Makes `w` zeros of this shape, in the memory that it has if that fits.
void reshape_to_zeros(LinearWeights& w, std::int64_t out, std::int64_t in, bool has_bias);

// Every value uniform between -bound and bound: element e is bound times word e % 4, taken as a signed fraction, of Philox
// (philox.hpp) with the seed as key and e / 4, `tensor` and a number that no dropout mask has as counter. The same values
// on every machine.
void fill_uniform(std::vector<float>& values, double bound, std::uint64_t seed, std::uint32_t tensor);

// Weight and bias as torch.nn.Linear begins: uniform within 1 / sqrt(in). Linears of one seed differ by `number`.
// Source: PyTorch, torch/nn/modules/linear.py, Linear.reset_parameters.
void init(LinearWeights& w, std::uint64_t seed, std::uint32_t number = 0);

// Output features [first, first + count) of a Linear: some of its heads, or all of it.
struct LinearSlice {
  const LinearWeights& weights;
  std::int64_t first, count;

  ConstMatrixView weight() const { return {weights.weight.data() + first * weights.in, count, weights.in, weights.in}; }
};

inline LinearSlice all_of(const LinearWeights& w) { return {w, 0, w.out}; }

// y = x W^T + bias
void linear(ConstMatrixView x, const LinearSlice& w, MatrixView y, Gemm gemm, int threads);

// Adds to dx, and to the same slice of `gradients`. dx may be empty (null data): not wanted.
void linear_backward(ConstMatrixView x, const LinearSlice& w, ConstMatrixView dy, MatrixView dx,
                     LinearWeights& gradients, Gemm gemm, int threads);

}  // namespace attn::layers
