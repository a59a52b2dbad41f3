// LayerSubject: a layer of src/layers, its tensors, its calls, and what they are checked against. The row's variant
// is the core of the pass that the row names; where a row has both passes, the core of the other is what select() takes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "measure/layer_flips.hpp"
#include "measure/subject.hpp"

namespace attn::bench {

// Inputs, weights and a gradient of the output, seeded; shared by all variants of a workload.
struct LayerInputs {
  LayerInputs(const Workload& workload, std::uint64_t seed);
  // Of every byte of them but the seed.
  std::uint64_t hash() const;

  std::uint64_t seed;
  bool cross;  // keys and values come from the context
  layers::Sequence x, context, dy;
  layers::MultiHeadWeights weights;  // of the single head those of q, k and v stacked
};

// What a call writes.
struct LayerOutputs {
  layers::Sequence y, dx, d_context;
  layers::MultiHeadWeights gradients;
  layers::SingleHeadWeights head_gradients;

  // Every tensor that the workload's passes write, with its name.
  std::vector<std::pair<const char*, std::vector<float>*>> all(const Workload& workload);
};

// The layer itself, of either class.
class Layer {
 public:
  Layer(const Workload& workload, const LayerInputs& inputs);
  void forward(const LayerInputs& inputs, LayerOutputs& outputs, const layers::Execution& execution);
  void backward(const LayerInputs& inputs, LayerOutputs& outputs, const layers::Execution& execution);

  void turn(LayerFlips& flips, std::mt19937_64& random);
  void undo(const LayerFlips& flips);
  // Of its weights.
  std::uint64_t hash() const;

 private:
  std::optional<layers::SingleHeadAttention> single_;
  std::optional<layers::MultiHeadAttention> multi_;
};

// Inputs and what is expected of the outputs: of the same layer with projections by plain loops that sum in double, and
// `naive` and `naive_backward` as cores, which tests compare with PyTorch. Computed when first asked for.
class LayerWorkload {
 public:
  LayerWorkload(const Workload& workload, std::uint64_t seed) : workload_(workload), inputs_(workload, seed) {}

  const LayerInputs& inputs() const { return inputs_; }
  void scale_dy(float factor);
  void turn_dy(const LayerFlips& flips) { flips.turn_columns(inputs_.dy); }
  // Errors are differences relative to the largest element of a tensor; they pass up to kLayerTolerance.
  Verdict check(LayerOutputs& outputs);

 private:
  Workload workload_;
  LayerInputs inputs_;
  std::optional<LayerOutputs> expected_;
};

class LayerSubject : public Subject {
 public:
  LayerSubject(const Case& c, LayerWorkload& workload);

  void call() override;
  void poison() override;
  void forget_calls() override;
  std::vector<std::size_t> written() const override { return {0}; }
  std::vector<std::span<std::byte>> written_next() override;
  // What the core meets from now on is another, and what is expected of the layer follows.
  void change_inputs(std::mt19937_64& random) override;
  void restore_inputs() override;
  void finish(std::size_t) override {}
  std::vector<std::byte> output_bits(std::size_t copy = 0) override;
  Verdict check(std::size_t = 0) override { return workload_.check(outputs_); }
  // A core that writes to its own inputs is found when it is checked by itself (workbench.hpp).
  std::string damage() const override;
  layers::LayerTimes part_seconds() const override;
  // Time of a forward pass relative to its products plus its core, as the fused form has them, each called by itself right
  // after: 1 for a layer that costs nothing beyond them. 0 where there is a backward pass.
  double over_parts() override;

 private:
  Workload what_;
  LayerWorkload& workload_;
  Layer layer_;
  LayerOutputs outputs_;
  LayerFlips flips_;
  float dy_factor_ = 1;  // a power of two, or its negative
  layers::LayerTimes times_;
  std::int64_t calls_ = 0;
  layers::Execution execution_;
  std::uint64_t hash_;  // of inputs and weights
};

}  // namespace attn::bench
