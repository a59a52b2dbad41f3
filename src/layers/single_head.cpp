#include <fmt/format.h>

#include <stdexcept>

#include "layers/head.hpp"

namespace attn::layers {
namespace {

SingleHeadConfig validated(const SingleHeadConfig& c) {
  if (c.d_model < 1) throw std::invalid_argument(fmt::format("d_model={} is not at least 1", c.d_model));
  if (c.head_dim < 1) throw std::invalid_argument(fmt::format("head_dim={} is not at least 1", c.head_dim));
  check_probability("dropout", c.dropout);
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

void SingleHeadAttention::forward(const Sequence& x, Sequence& o, const Execution& execution) {
  forward(x, x, o, execution);
}

void SingleHeadAttention::forward(const Sequence& x, const Sequence& context, Sequence& o, const Execution& execution) {
  check_weights("weights", weights, config_);
  check_context(x, context, config_.d_model);
  forward_pass_ = {};
  head_forward(slices(weights), x, context, core_options(config_.causal, config_.dropout, execution, false, workspace_),
               execution, state_);
  o = state_.o;
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
  head_backward(slices(weights), x, context, heads_of(const_cast<Sequence&>(d_o), 0, 1, config_.head_dim),
                core_options(config_.causal, config_.dropout, execution, true, workspace_), execution, state_, dx,
                d_context, {gradients.q, gradients.k, gradients.v});
}

}  // namespace attn::layers
