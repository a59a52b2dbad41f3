#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "dropout.hpp"
#include "layers/shared.hpp"

namespace attn::layers {
namespace {

// With defaults filled in.
MultiHeadConfig validated(MultiHeadConfig c) {
  const auto at_least = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) throw std::invalid_argument(fmt::format("{}={} is not at least {}", name, value, least));
  };
  at_least("d_model", c.d_model, 1);
  at_least("heads", c.heads, 1);
  at_least("kv_heads", c.kv_heads, 0);
  at_least("head_dim", c.head_dim, 0);
  if (c.kv_heads == 0) c.kv_heads = c.heads;
  if (c.head_dim == 0) c.head_dim = std::max<std::int64_t>(c.d_model / c.heads, 1);
  if (c.d_model != c.heads * c.head_dim)
    throw std::invalid_argument(
        fmt::format("d_model={} is not heads={} times head_dim={}", c.d_model, c.heads, c.head_dim));
  if (c.heads % c.kv_heads != 0)
    throw std::invalid_argument(fmt::format("kv_heads={} does not divide heads={}", c.kv_heads, c.heads));
  check_probability("dropout", c.dropout);
  check_probability("output_dropout", c.output_dropout);
  return c;
}

// Rows of `in`: heads of q, then of k, then of v.
std::int64_t first_k(const MultiHeadConfig& c) { return c.heads * c.head_dim; }
std::int64_t first_v(const MultiHeadConfig& c) { return (c.heads + c.kv_heads) * c.head_dim; }
std::int64_t in_rows(const MultiHeadConfig& c) { return (c.heads + 2 * c.kv_heads) * c.head_dim; }

MultiHeadWeights zeros(const MultiHeadConfig& c) {
  return {LinearWeights(in_rows(c), c.d_model, c.bias), LinearWeights(c.d_model, c.d_model, true)};
}

HeadSlices slices_of_head(const MultiHeadConfig& c, const LinearWeights& in, std::int64_t head) {
  const std::int64_t kv_head = head / (c.heads / c.kv_heads);
  return {{in, head * c.head_dim, c.head_dim},
          {in, first_k(c) + kv_head * c.head_dim, c.head_dim},
          {in, first_v(c) + kv_head * c.head_dim, c.head_dim}};
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const MultiHeadConfig& config)
    : weights(zeros(validated(config))), config_(validated(config)) {
  if (config_.form != Form::per_head) return;
  for (std::int64_t h = 0; h < config_.heads; ++h) {
    heads_.emplace_back(SingleHeadConfig{.d_model = config_.d_model,
                                         .head_dim = config_.head_dim,
                                         .bias = config_.bias,
                                         .causal = config_.causal,
                                         .dropout = config_.dropout,
                                         .index = h});
    heads_.back().weights = {};  // it reads its rows of ours
  }
}

void MultiHeadAttention::init(std::uint64_t seed) {
  weights = zeros(config_);
  const auto [in, out] = std::pair{static_cast<double>(weights.in.in), static_cast<double>(weights.in.out)};
  fill_uniform(weights.in.weight, std::sqrt(6 / (in + out)), seed, 0);
  fill_uniform(weights.out.weight, 1 / std::sqrt(in), seed, 1);
}

void MultiHeadAttention::check_weights(const MultiHeadWeights& w) const {
  check_linear("weights.in", w.in, in_rows(config_), config_.d_model, config_.bias);
  check_linear("weights.out", w.out, config_.d_model, config_.d_model, true);
}

void MultiHeadAttention::forward(const Sequence& x, Sequence& y, const Execution& execution) {
  forward(x, x, y, execution);
}

void MultiHeadAttention::forward(const Sequence& x, const Sequence& context, Sequence& y, const Execution& execution) {
  check_weights(weights);
  check_context(x, context, config_.d_model);
  forward_pass_ = {};
  reshape(concat_, x.batch, x.length, config_.d_model);
  config_.form == Form::fused ? attend_fused(x, context, execution) : attend_per_head(x, context, execution);
  const PartTimer timer(execution, &LayerTimes::projections);
  reshape(y, x.batch, x.length, config_.d_model);
  linear(concat_.matrix(), all_of(weights.out), y.matrix(), execution.gemm, execution.threads);
  drop_outputs(y, execution);
  forward_pass_ = pass_of(x, context);
}

void MultiHeadAttention::attend_per_head(const Sequence& x, const Sequence& context, const Execution& execution) {
  for (std::int64_t h = 0; h < config_.heads; ++h) {
    SingleHeadAttention& head = heads_[h];
    head.attend(slices_of_head(config_, weights.in, h), x, context, execution, workspace_);
    const PartTimer timer(execution, &LayerTimes::concat);
    for (std::int64_t token = 0; token < x.tokens(); ++token)
      std::copy_n(head.o_.data.data() + token * config_.head_dim, config_.head_dim,
                  concat_.data.data() + token * config_.d_model + h * config_.head_dim);
  }
}

// Where q, k and v lie in what was projected: side by side, or for cross-attention q apart from k and v.
struct ProjectedViews {
  TensorView q, k, v;
};

static ProjectedViews views(const MultiHeadConfig& c, bool self, Sequence& projected, Sequence& of_context) {
  Sequence& kv = self ? projected : of_context;
  const std::int64_t before = self ? 0 : first_k(c);
  return {heads_of(projected, 0, c.heads, c.head_dim), heads_of(kv, first_k(c) - before, c.kv_heads, c.head_dim),
          heads_of(kv, first_v(c) - before, c.kv_heads, c.head_dim)};
}

void MultiHeadAttention::attend_fused(const Sequence& x, const Sequence& context, const Execution& execution) {
  const bool self = &x == &context;
  const std::int64_t q_rows = first_k(config_), rows = in_rows(config_);
  {
    const PartTimer timer(execution, &LayerTimes::projections);
    const auto project = [&](const Sequence& from, std::int64_t first, std::int64_t count, Sequence& to) {
      reshape(to, from.batch, from.length, count);
      linear(from.matrix(), {weights.in, first, count}, to.matrix(), execution.gemm, execution.threads);
    };
    project(x, 0, self ? rows : q_rows, projected_);
    if (!self) project(context, q_rows, rows - q_rows, context_projected_);
  }
  const PartTimer timer(execution, &LayerTimes::core);
  lse_.resize(static_cast<std::size_t>(x.tokens() * config_.heads));
  AttentionOptions core = core_options(config_.causal, config_.dropout, execution, false, workspace_);
  core.lse = lse_.data();
  const auto [q, k, v] = views(config_, self, projected_, context_projected_);
  attention(q, k, v, heads_of(concat_, 0, config_.heads, config_.head_dim), core);
}

// Output (b, i, j) is dropped as weight (i, j) of a head that the core does not have, the one after its last.
void MultiHeadAttention::drop_outputs(Sequence& y, const Execution& execution) const {
  if (config_.output_dropout == 0 || !execution.training) return;
  const Dropout drop = make_dropout(config_.output_dropout, execution.seed, config_.heads);
  for (std::int64_t b = 0; b < y.batch; ++b)
    for (std::int64_t i = 0; i < y.length; ++i)
      for (std::int64_t j = 0; j < y.features; ++j) y.token(b, i)[j] *= dropout_factor(drop, b, 0, i, j);
}

void MultiHeadAttention::backward(const Sequence& x, const Sequence& dy, Sequence& dx, MultiHeadWeights& gradients,
                                  const Execution& execution) {
  backward(x, x, dy, dx, dx, gradients, execution);
}

void MultiHeadAttention::backward(const Sequence& x, const Sequence& context, const Sequence& dy, Sequence& dx,
                                  Sequence& d_context, MultiHeadWeights& gradients, const Execution& execution) {
  check_weights(weights);
  check_context(x, context, config_.d_model);
  check_sequence("dy", dy, config_.d_model);
  check_backward(forward_pass_, x, context, "dy", dy);
  check_gradients(x, context, dx, d_context);
  reshape_to_zeros(gradients.in, in_rows(config_), config_.d_model, config_.bias);
  reshape_to_zeros(gradients.out, config_.d_model, config_.d_model, true);
  reshape_to_zeros(dx, x.batch, x.length, config_.d_model);
  reshape_to_zeros(d_context, context.batch, context.length, config_.d_model);
  {
    const PartTimer timer(execution, &LayerTimes::projections);
    reshape_to_zeros(d_concat_, x.batch, x.length, config_.d_model);
    Sequence dropped;
    const bool drops = config_.output_dropout > 0 && execution.training;
    if (drops) dropped = dy, drop_outputs(dropped, execution);
    linear_backward(concat_.matrix(), all_of(weights.out), (drops ? dropped : dy).matrix(), d_concat_.matrix(),
                    gradients.out, execution.gemm, execution.threads);
  }
  config_.form == Form::fused ? backward_fused(x, context, dx, d_context, gradients, execution)
                              : backward_per_head(x, context, dx, d_context, gradients, execution);
}

void MultiHeadAttention::backward_per_head(const Sequence& x, const Sequence& context, Sequence& dx,
                                           Sequence& d_context, MultiHeadWeights& gradients,
                                           const Execution& execution) {
  for (std::int64_t h = 0; h < config_.heads; ++h)
    // The gradient of the concatenation is cut by strides.
    heads_[h].attend_backward(slices_of_head(config_, weights.in, h), x, context,
                              heads_of(std::as_const(d_concat_), h * config_.head_dim, 1, config_.head_dim), execution,
                              workspace_, dx, d_context, {gradients.in, gradients.in, gradients.in});
}

void MultiHeadAttention::backward_fused(const Sequence& x, const Sequence& context, Sequence& dx, Sequence& d_context,
                                        MultiHeadWeights& gradients, const Execution& execution) {
  const bool self = &x == &context;
  const std::int64_t q_rows = first_k(config_), rows = in_rows(config_);
  {
    const PartTimer timer(execution, &LayerTimes::core);
    reshape(d_projected_, x.batch, x.length, projected_.features);
    if (!self) reshape(d_context_projected_, context.batch, context.length, context_projected_.features);
    const auto [q, k, v] = views(config_, self, projected_, context_projected_);
    const auto [dq, dk, dv] = views(config_, self, d_projected_, d_context_projected_);
    attention_backward({.q = q,
                        .k = k,
                        .v = v,
                        .o = heads_of(concat_, 0, config_.heads, config_.head_dim),
                        .lse = lse_.data(),
                        .do_ = heads_of(d_concat_, 0, config_.heads, config_.head_dim),
                        .dq = dq,
                        .dk = dk,
                        .dv = dv},
                       core_options(config_.causal, config_.dropout, execution, true, workspace_));
  }
  const PartTimer timer(execution, &LayerTimes::projections);
  const auto back = [&](const Sequence& input, std::int64_t first, std::int64_t count, const Sequence& d_output,
                        Sequence& d_input) {
    linear_backward(input.matrix(), {weights.in, first, count}, d_output.matrix(), d_input.matrix(), gradients.in,
                    execution.gemm, execution.threads);
  };
  back(x, 0, self ? rows : q_rows, d_projected_, dx);
  if (!self) back(context, q_rows, rows - q_rows, d_context_projected_, d_context);
}

}  // namespace attn::layers
