// What the layers share: the time of their parts, shapes, views of heads, what they refuse, the options of the core.
#pragma once

#include <chrono>

#include "attention.hpp"
#include "layers/attention_layers.hpp"

namespace attn::layers {

// Adds the seconds of a scope to a part of the times, where somebody wants them.
class PartTimer {
 public:
  PartTimer(const Execution& execution, double LayerTimes::*part) : times_(execution.times), part_(part) {
    if (times_ != nullptr) begin_ = Clock::now();
  }
  ~PartTimer() {
    if (times_ != nullptr) times_->*part_ += std::chrono::duration<double>(Clock::now() - begin_).count();
  }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  LayerTimes* times_;
  double LayerTimes::*part_;
  Clock::time_point begin_{};
};

// Makes `s` a sequence of this shape; its contents are undefined.
void reshape(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features);

// The same, of zeros.
void reshape_to_zeros(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features);

// [batch, heads, length, head_dim] in features [first, first + heads head_dim) of a sequence.
TensorView heads_of(Sequence& s, std::int64_t first, std::int64_t heads, std::int64_t head_dim);
ConstTensorView heads_of(const Sequence& s, std::int64_t first, std::int64_t heads, std::int64_t head_dim);

void check_linear(const char* name, const LinearWeights& w, std::int64_t out, std::int64_t in, bool bias);
void check_sequence(const char* name, const Sequence& s, std::int64_t features);
void check_context(const Sequence& x, const Sequence& context, std::int64_t d_model);
void check_probability(const char* name, double p);

ForwardPass pass_of(const Sequence& x, const Sequence& context);

// A backward pass over x and the context, with the gradient `d_out` called `name`, must follow the forward pass `before`.
void check_backward(const ForwardPass& before, const Sequence& x, const Sequence& context, const char* name,
                    const Sequence& d_out);
// x that is its own context has one gradient, others have two.
void check_gradients(const Sequence& x, const Sequence& context, const Sequence& dx, const Sequence& d_context);

// The options of the core: mask, dropout, threads, variant, workspace.
AttentionOptions core_options(bool causal, double dropout, const Execution& execution, bool backward,
                              AlignedBuffer& workspace);

}  // namespace attn::layers
