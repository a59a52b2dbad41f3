#include "measure/layer_flips.hpp"

namespace attn::bench {
namespace {

using namespace attn::layers;

void turn_row(LinearWeights& linear, std::int64_t row) {
  turn_signs(
      std::span(linear.weight).subspan(static_cast<std::size_t>(row * linear.in), static_cast<std::size_t>(linear.in)));
  if (!linear.bias.empty()) turn_signs(std::span(linear.bias).subspan(static_cast<std::size_t>(row), 1));
}

void turn_column(LinearWeights& linear, std::int64_t column) {
  for (std::int64_t row = 0; row < linear.out; ++row)
    turn_signs(std::span(linear.weight).subspan(static_cast<std::size_t>(row * linear.in + column), 1));
}

}  // namespace

void turn_signs(std::span<float> values) {
  for (float& x : values) x = x < 0 || x > 0 ? -x : x;
}

std::optional<LayerFlips::Feature> LayerFlips::choose(std::mt19937_64& random) {
  const auto below = [&](std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random); };
  const Feature feature{below(problem_.kv_heads), below(problem_.head_dim)};
  if (turned_.empty())
    first_ = feature;
  else if (feature == first_)
    return std::nullopt;
  if (!turned_.insert(feature).second) turned_.erase(feature);
  return feature;
}

void LayerFlips::turn(SingleHeadWeights& weights, std::mt19937_64& random) {
  if (const auto feature = choose(random)) turn_feature(weights, *feature);
}

void LayerFlips::turn(MultiHeadWeights& weights, std::mt19937_64& random) {
  if (const auto feature = choose(random)) turn_feature(weights, *feature);
}

void LayerFlips::undo(SingleHeadWeights& weights) const {
  for (const Feature& feature : turned_) turn_feature(weights, feature);
}

void LayerFlips::undo(MultiHeadWeights& weights) const {
  for (const Feature& feature : turned_) turn_feature(weights, feature);
}

void LayerFlips::turn_feature(SingleHeadWeights& weights, const Feature& feature) const {
  turn_row(weights.q, feature.index);
  turn_row(weights.k, feature.index);
  turn_row(weights.v, feature.index);
}

void LayerFlips::turn_columns(Sequence& tokens) const {
  for (const Feature& feature : turned_)
    for (std::int64_t token = 0; token < tokens.tokens(); ++token)
      turn_signs(std::span(tokens.data).subspan(static_cast<std::size_t>(token * tokens.features + feature.index), 1));
}

void LayerFlips::turn_feature(MultiHeadWeights& weights, const Feature& feature) const {
  const std::int64_t d = problem_.head_dim, group = problem_.heads / problem_.kv_heads;
  const std::int64_t first_head = feature.kv_head * group;
  for (std::int64_t head = first_head; head < first_head + group; ++head) {
    turn_row(weights.in, head * d + feature.index);
    turn_column(weights.out, head * d + feature.index);
  }
  turn_row(weights.in, (problem_.heads + feature.kv_head) * d + feature.index);
  turn_row(weights.in, (problem_.heads + problem_.kv_heads + feature.kv_head) * d + feature.index);
}

}  // namespace attn::bench
