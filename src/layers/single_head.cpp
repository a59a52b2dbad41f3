#include <fmt/format.h>

#include <stdexcept>

#include "layers/shared.hpp"

namespace attn::layers {
namespace {

SingleHeadConfig validated(const SingleHeadConfig& c) {
  if (c.d_model < 1) throw std::invalid_argument(fmt::format("d_model={} is not at least 1", c.d_model));
  if (c.head_dim < 1) throw std::invalid_argument(fmt::format("head_dim={} is not at least 1", c.head_dim));
  check_probability("dropout", c.dropout);
  if (c.index < 0) throw std::invalid_argument(fmt::format("index={} is not at least 0", c.index));
  return c;
}

SingleHeadWeights zeros(const SingleHeadConfig& c) {
  const LinearWeights one(c.head_dim, c.d_model, c.bias);
  return {one, one, one};
}

void check_weights(const char* name, const SingleHeadWeights& w, const SingleHeadConfig& c) {
  for (const auto& [part, linear] : {std::pair{"q", &w.q}, {"k", &w.k}, {"v", &w.v}})
    check_linear(fmt::format("{}.{}", name, part).c_str(), *linear, c.head_dim, c.d_model, c.bias);
}

HeadSlices slices(const SingleHeadWeights& w) { return {all_of(w.q), all_of(w.k), all_of(w.v)}; }

}  // namespace

SingleHeadAttention::SingleHeadAttention(const SingleHeadConfig& config)
    : weights(zeros(validated(config))), config_(config) {}

void SingleHeadAttention::init(std::uint64_t seed) {
  weights = zeros(config_);
  auto number = static_cast<std::uint32_t>(3 * config_.index);
  for (LinearWeights* part : {&weights.q, &weights.k, &weights.v}) layers::init(*part, seed, number++);
}

void SingleHeadAttention::forward(const Sequence& x, Sequence& o, const Execution& execution) {
  forward(x, x, o, execution);
}

void SingleHeadAttention::forward(const Sequence& x, const Sequence& context, Sequence& o, const Execution& execution) {
  check_weights("weights", weights, config_);
  check_context(x, context, config_.d_model);
  forward_pass_ = {};
  attend(slices(weights), x, context, execution, workspace_);
  o = o_;
  forward_pass_ = pass_of(x, context);
}

void SingleHeadAttention::backward(const Sequence& x, const Sequence& d_o, Sequence& dx, SingleHeadWeights& gradients,
                                   const Execution& execution) {
  backward(x, x, d_o, dx, dx, gradients, execution);
}

void SingleHeadAttention::backward(const Sequence& x, const Sequence& context, const Sequence& d_o, Sequence& dx,
                                   Sequence& d_context, SingleHeadWeights& gradients, const Execution& execution) {
  check_weights("weights", weights, config_);
  check_context(x, context, config_.d_model);
  check_sequence("d_o", d_o, config_.head_dim);
  check_backward(forward_pass_, x, context, "d_o", d_o);
  check_gradients(x, context, dx, d_context);
  for (LinearWeights* part : {&gradients.q, &gradients.k, &gradients.v})
    reshape_to_zeros(*part, config_.head_dim, config_.d_model, config_.bias);
  reshape_to_zeros(dx, x.batch, x.length, config_.d_model);
  reshape_to_zeros(d_context, context.batch, context.length, config_.d_model);
  attend_backward(slices(weights), x, context, heads_of(d_o, 0, 1, config_.head_dim), execution, workspace_, dx,
                  d_context, {gradients.q, gradients.k, gradients.v});
}

void SingleHeadAttention::attend(const HeadSlices& w, const Sequence& x, const Sequence& context,
                                 const Execution& execution, AlignedBuffer& workspace) {
  {
    const PartTimer timer(execution, &LayerTimes::projections);
    const auto project = [&](const Sequence& from, const LinearSlice& slice, Sequence& to) {
      reshape(to, from.batch, from.length, config_.head_dim);
      linear(from.matrix(), slice, to.matrix(), execution.gemm, execution.threads);
    };
    project(x, w.q, q_);
    project(context, w.k, k_);
    project(context, w.v, v_);
  }
  const PartTimer timer(execution, &LayerTimes::core);
  reshape(o_, x.batch, x.length, config_.head_dim);
  lse_.resize(static_cast<std::size_t>(x.tokens()));
  AttentionOptions core = core_options(config_.causal, config_.dropout, execution, false, workspace);
  core.first_head = config_.index;
  core.lse = lse_.data();
  const auto view = [&](Sequence& t) { return heads_of(t, 0, 1, config_.head_dim); };
  attention(view(q_), view(k_), view(v_), view(o_), core);
}

void SingleHeadAttention::attend_backward(const HeadSlices& w, const Sequence& x, const Sequence& context,
                                          const ConstTensorView& d_o, const Execution& execution,
                                          AlignedBuffer& workspace, Sequence& dx, Sequence& d_context,
                                          const HeadGradients& gradients) {
  {
    const PartTimer timer(execution, &LayerTimes::core);
    reshape(dq_, x.batch, x.length, config_.head_dim);
    for (Sequence* gradient : {&dk_, &dv_}) reshape(*gradient, context.batch, context.length, config_.head_dim);
    AttentionOptions core = core_options(config_.causal, config_.dropout, execution, true, workspace);
    core.first_head = config_.index;
    const auto view = [&](Sequence& t) { return heads_of(t, 0, 1, config_.head_dim); };
    attention_backward({.q = view(q_),
                        .k = view(k_),
                        .v = view(v_),
                        .o = view(o_),
                        .lse = lse_.data(),
                        .do_ = d_o,
                        .dq = view(dq_),
                        .dk = view(dk_),
                        .dv = view(dv_)},
                       core);
  }
  const PartTimer timer(execution, &LayerTimes::projections);
  const auto back = [&](const Sequence& input, const LinearSlice& slice, const Sequence& dy, Sequence& d_input,
                        LinearWeights& target) {
    linear_backward(input.matrix(), slice, dy.matrix(), d_input.matrix(), target, execution.gemm, execution.threads);
  };
  back(x, w.q, dq_, dx, gradients.q);
  back(context, w.k, dk_, d_context, gradients.k);
  back(context, w.v, dv_, d_context, gradients.v);
}

}  // namespace attn::layers
