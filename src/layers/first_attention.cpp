// Runs first_attention.hpp on a few tokens. Prints what a head looks at, and how far outputs and gradients are from those of
// attn::layers::MultiHeadAttention in both its forms. Exit code 0 when they agree; else 1.
#include "layers/first_attention.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "layers/attention_layers.hpp"

namespace {

using namespace attn::layers;
using attn::first::Head, attn::first::Matrix, attn::first::MultiHead;

constexpr std::array kWords = {"the", "cat", "that", "sat", "was", "grey"};
constexpr std::int64_t kTokens = kWords.size(), kModel = 16, kHeads = 2, kHeadDim = kModel / kHeads;
constexpr double kDropout = 0.2;
constexpr std::uint64_t kSeed = 3;
// The library computes in f32, which rounds by 6e-8; whatever somebody forgot changes far more.
constexpr double kTolerance = 1e-5;

Matrix rows_of(const std::vector<float>& packed, std::int64_t first, std::int64_t count) {
  Matrix rows;
  for (std::int64_t i = first; i < first + count; ++i)
    rows.emplace_back(packed.begin() + i * kModel, packed.begin() + (i + 1) * kModel);
  return rows;
}

// The library keeps the rows of all heads of q, then of k, then of v in one matrix.
MultiHead unpacked(const MultiHeadWeights& weights) {
  MultiHead model{.drop = kDropout, .output_drop = kDropout, .seed = kSeed};
  const auto part = [&](std::int64_t share) { return rows_of(weights.in.weight, share * kHeadDim, kHeadDim); };
  for (std::int64_t h = 0; h < kHeads; ++h)
    model.heads.push_back({.wq = part(h), .wk = part(kHeads + h), .wv = part(2 * kHeads + h)});
  model.w = rows_of(weights.out.weight, 0, kModel), model.bias = rows_of(weights.out.bias, 0, 1);
  return model;
}

// |a - b| / |b|, and NaN where either has one.
double distance(const Matrix& a, const Matrix& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    for (std::size_t j = 0; j < b[i].size(); ++j) {
      difference += std::pow(a[i][j] - b[i][j], 2);
      size += std::pow(b[i][j], 2);
    }
  return std::sqrt(difference / size);
}

void print_weights(const Head& head) {
  fmt::print("What each token looks at, by the weights of head 0; (0.00) was dropped\n\n{:8}", "");
  for (const char* word : kWords) fmt::print("{:>8}", word);
  for (std::int64_t i = 0; i < kTokens; ++i) {
    fmt::print("\n{:>8}", kWords[i]);
    for (std::int64_t j = 0; j <= i; ++j) {
      const std::string weight = fmt::format("{:.2f}", head.probs[i][j]);
      fmt::print("{:>8}", head.kept[i][j] == 0 ? "(" + weight + ")" : weight + " ");
    }
  }
  fmt::print("\n\n");
}

// The library's layer, and first_attention.hpp on the same weights and input.
bool agree_with(Form form, const char* name) {
  MultiHeadAttention layer({.d_model = kModel,
                            .heads = kHeads,
                            .causal = true,
                            .dropout = kDropout,
                            .output_dropout = kDropout,
                            .form = form});
  layer.init(kSeed);
  fill_uniform(layer.weights.out.bias, 1, kSeed, 2);
  Sequence x(1, kTokens, kModel), dy = x, y, dx;
  fill_uniform(x.data, 3, kSeed, 3);
  fill_uniform(dy.data, 1, kSeed, 4);
  MultiHeadWeights gradients;
  layer.forward(x, y, {.seed = kSeed});
  layer.backward(x, dy, dx, gradients, {.seed = kSeed});

  MultiHead first = unpacked(layer.weights);
  const Matrix input = rows_of(x.data, 0, kTokens);
  first.forward(input);
  first.dy = rows_of(dy.data, 0, kTokens);
  first.backward();

  if (form == Form::per_head) print_weights(first.heads[0]);
  fmt::print("Relative difference from MultiHeadAttention, {}\n", name);
  bool agree = true;
  const auto compare = [&](const std::string& tensor, const Matrix& ours, const Matrix& theirs) {
    const double off = distance(ours, theirs);
    fmt::print("  {:14} {:.1e}{}\n", tensor, off, off < kTolerance ? "" : "  WRONG");
    agree = agree && off < kTolerance;
  };
  const MultiHead theirs = unpacked(gradients);
  compare("y", first.y, rows_of(y.data, 0, kTokens));
  compare("dx", first.dx, rows_of(dx.data, 0, kTokens));
  compare("dW", first.dw, theirs.w);
  compare("dbias", first.d_bias, theirs.bias);
  for (std::int64_t h = 0; h < kHeads; ++h) {
    compare(fmt::format("dWq of head {}", h), first.heads[h].dwq, theirs.heads[h].wq);
    compare(fmt::format("dWk of head {}", h), first.heads[h].dwk, theirs.heads[h].wk);
    compare(fmt::format("dWv of head {}", h), first.heads[h].dwv, theirs.heads[h].wv);
  }
  return agree;
}

}  // namespace

int main() {
  const bool per_head = agree_with(Form::per_head, "per_head"), fused = agree_with(Form::fused, "fused");
  return per_head && fused ? 0 : 1;
}
