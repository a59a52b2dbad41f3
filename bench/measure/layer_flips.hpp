// LayerFlips: what SignFlips is to a case of the core, for a layer: between calls the signs of some features turn, while it
// stays known to the bit what outputs follow. A feature of q and k turns by its rows of the projections, which leaves the
// scores as they were; one of v by its row and the columns of the output projection that read it, which leaves y. Of the
// single head, which has none, a column of y turns, and of dy with it. The core meets other q, k and v in the same places.
// Gradients of turned weights turn with them.
//
// A backward pass alone goes on from what the forward pass kept, so there dy is scaled by powers of two (LayerSubject), and
// every gradient with it.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <span>

#include "layers/attention_layers.hpp"
#include "problem.hpp"

namespace attn::bench {

class LayerFlips {
 public:
  explicit LayerFlips(const Problem& problem) : problem_(problem) {}

  // Turns the weights of one more feature, or back; some feature always stays turned.
  void turn(layers::SingleHeadWeights& weights, std::mt19937_64& random);
  void turn(layers::MultiHeadWeights& weights, std::mt19937_64& random);

  // Turns all of them in weights, or in their gradients, which makes of either what it would be had nothing been turned.
  void undo(layers::SingleHeadWeights& weights) const;
  void undo(layers::MultiHeadWeights& weights) const;

  // Turns the columns of the single head's y, or dy.
  void turn_columns(layers::Sequence& tokens) const;

  void forget() { turned_.clear(); }

 private:
  struct Feature {
    std::int64_t kv_head, index;
    auto operator<=>(const Feature&) const = default;
  };
  // Nothing when it is the one that stays turned.
  std::optional<Feature> choose(std::mt19937_64& random);
  void turn_feature(layers::SingleHeadWeights& weights, const Feature& feature) const;
  void turn_feature(layers::MultiHeadWeights& weights, const Feature& feature) const;

  Problem problem_;
  Feature first_{};
  std::set<Feature> turned_;
};

// Of all elements but zeros, which sums that begin with +0 would show.
void turn_signs(std::span<float> values);

}  // namespace attn::bench
