// Attention layers as they are taught: a head projects its input to q, k and v and attends; several heads are
// concatenated and projected again. Forward and backward, with any variant of the suite as the core.
//
//   SingleHeadAttention  q, k, v = Linear(d_model, head_dim); o = dropout(softmax(q k^T head_dim^-0.5)) v
//   MultiHeadAttention   concat of heads, output Linear with bias, dropout; in two forms that compute the same:
//     per_head  a loop over a vector of SingleHeadAttention, each with its own projections, and a copy to concatenate
//     fused     one projection for all heads, strided views of it, one call of the core for all heads, no copies
//
// Self-attention takes x alone; cross-attention takes q from x and k, v from a context of the same batch. `causal` is
// bottom-right (src/reference.hpp). Layers keep what the forward pass computed for the backward pass that follows it; one
// layer serves one thread at a time, and moves but does not copy. Weights are public and plain: zeros, for which a layer
// answers zeros, until init() or a user fills them. Everything that does not fit is std::invalid_argument naming field,
// value and rule.
//
// Source: Vaswani et al., "Attention Is All You Need", sections 3.2.1 and 3.2.2; grouped heads: Ainslie et al., GQA (2023).
#pragma once

#include <string>

#include "aligned_buffer.hpp"
#include "layers/linear.hpp"
#include "tensor.hpp"
#include "variant.hpp"

namespace attn::layers {

// Seconds spent in the parts of a layer, added up.
struct LayerTimes {
  double projections = 0, core = 0, concat = 0;
};

// How a layer is run; it changes no result but by rounding, except for seed and training.
struct Execution {
  int threads = 1;
  std::string variant = {};           // the core of the forward pass; empty: select() chooses
  std::string backward_variant = {};  // and of the backward pass
  const Variant* kernel = nullptr;    // these very rows, instead of the native ones of a name
  const Variant* backward_kernel = nullptr;
  Gemm gemm = default_gemm();  // of the projections
  bool training = true;        // false: no dropout
  std::uint64_t seed = 0;      // of the dropout masks; a new one for every step of a training
  LayerTimes* times = nullptr;
};

// The forward pass that a backward pass can follow; length 0: none.
struct ForwardPass {
  std::int64_t batch = 0, length = 0, context_length = 0;
  bool self = true;  // keys and values came from x
  bool operator==(const ForwardPass&) const = default;
};

struct SingleHeadConfig {
  std::int64_t d_model = 0, head_dim = 0;
  bool bias = false;  // of the three projections
  bool causal = false;
  double dropout = 0;      // of the weights
  std::int64_t index = 0;  // its number in its layer: heads of one seed each drop others of their weights
};

struct SingleHeadWeights {
  LinearWeights q, k, v;  // [head_dim, d_model]
};

// Where the weights of a head lie: its own, or its rows of those of a layer.
struct HeadSlices {
  LinearSlice q, k, v;
};

// Where their gradients are added, to the same rows.
struct HeadGradients {
  LinearWeights &q, &k, &v;
};

class SingleHeadAttention {
 public:
  explicit SingleHeadAttention(const SingleHeadConfig& config);

  SingleHeadWeights weights;

  // New weights, each of the three projections as torch.nn.Linear begins (layers/linear.hpp); the same of a seed on every
  // machine, and other ones of another index.
  void init(std::uint64_t seed);

  // o [batch, length of x, head_dim]; resized. Outputs alias no input.
  void forward(const Sequence& x, Sequence& o, const Execution& execution = {});
  void forward(const Sequence& x, const Sequence& context, Sequence& o, const Execution& execution = {});

  // After forward() on the same input: from the gradient d_o of a loss, those of x (and the context) and of the weights.
  // They are written, not added to.
  void backward(const Sequence& x, const Sequence& d_o, Sequence& dx, SingleHeadWeights& gradients,
                const Execution& execution = {});
  void backward(const Sequence& x, const Sequence& context, const Sequence& d_o, Sequence& dx, Sequence& d_context,
                SingleHeadWeights& gradients, const Execution& execution = {});

 private:
  friend class MultiHeadAttention;  // its heads read their rows of packed weights, and share a workspace

  void attend(const HeadSlices& w, const Sequence& x, const Sequence& context, const Execution& execution,
              AlignedBuffer& workspace);
  // d_o [batch, 1, length, head_dim]. Adds to everything.
  void attend_backward(const HeadSlices& w, const Sequence& x, const Sequence& context, const ConstTensorView& d_o,
                       const Execution& execution, AlignedBuffer& workspace, Sequence& dx, Sequence& d_context,
                       const HeadGradients& gradients);

  SingleHeadConfig config_;
  ForwardPass forward_pass_;
  Sequence q_, k_, v_, o_;
  std::vector<float> lse_;
  Sequence dq_, dk_, dv_;    // scratch of the backward pass
  AlignedBuffer workspace_;  // of the core
};

enum class Form { per_head, fused };

struct MultiHeadConfig {
  std::int64_t d_model = 0, heads = 0;
  std::int64_t kv_heads = 0;  // 0: as many as heads; else a divisor of it
  std::int64_t head_dim = 0;  // 0: d_model / heads; d_model must be heads x head_dim
  bool bias = false;          // of the projections to q, k and v; the output projection always has one
  bool causal = false;
  double dropout = 0;  // of the weights
  double output_dropout = 0;
  Form form = Form::fused;
};

struct MultiHeadWeights {
  LinearWeights in;   // [(heads + 2 kv_heads) head_dim, d_model]: rows of all heads of q, then of k, then of v
  LinearWeights out;  // [d_model, d_model]
};

class MultiHeadAttention {
 public:
  explicit MultiHeadAttention(const MultiHeadConfig& config);

  MultiHeadWeights weights;

  // New weights as torch.nn.MultiheadAttention begins: `in` uniform within sqrt(6 / (in + out)), its two sizes, `out` as
  // torch.nn.Linear's within 1 / sqrt(d_model), biases 0. The same of a seed on every machine, in both forms; each layer of
  // a model needs a seed of its own.
  // Source: PyTorch, torch/nn/modules/activation.py, MultiheadAttention._reset_parameters; the bound of `in` is Glorot,
  // Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010), equation 16.
  void init(std::uint64_t seed);

  // y [batch, length of x, d_model]; resized. Outputs alias no input.
  void forward(const Sequence& x, Sequence& y, const Execution& execution = {});
  void forward(const Sequence& x, const Sequence& context, Sequence& y, const Execution& execution = {});

  // As of SingleHeadAttention.
  void backward(const Sequence& x, const Sequence& dy, Sequence& dx, MultiHeadWeights& gradients,
                const Execution& execution = {});
  void backward(const Sequence& x, const Sequence& context, const Sequence& dy, Sequence& dx, Sequence& d_context,
                MultiHeadWeights& gradients, const Execution& execution = {});

  const MultiHeadConfig& config() const { return config_; }

 private:
  void check_weights(const MultiHeadWeights& w) const;
  void attend_per_head(const Sequence& x, const Sequence& context, const Execution& execution);
  void attend_fused(const Sequence& x, const Sequence& context, const Execution& execution);
  void backward_per_head(const Sequence& x, const Sequence& context, Sequence& dx, Sequence& d_context,
                         MultiHeadWeights& gradients, const Execution& execution);
  void backward_fused(const Sequence& x, const Sequence& context, Sequence& dx, Sequence& d_context,
                      MultiHeadWeights& gradients, const Execution& execution);
  void drop_outputs(Sequence& y, const Execution& execution) const;

  MultiHeadConfig config_;
  ForwardPass forward_pass_;
  std::vector<SingleHeadAttention> heads_;  // per_head
  Sequence projected_, context_projected_;  // fused: q, k, v side by side; cross-attention: q, and k, v
  Sequence d_projected_, d_context_projected_;
  std::vector<float> lse_;      // fused
  Sequence concat_, d_concat_;  // [batch, length, heads head_dim]
  AlignedBuffer workspace_;     // of the core
};

}  // namespace attn::layers
