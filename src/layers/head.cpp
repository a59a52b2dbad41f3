#include "layers/head.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace attn::layers {

void reshape(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features) {
  s.batch = batch, s.length = length, s.features = features;
  s.data.resize(static_cast<std::size_t>(batch * length * features));
}

void reshape_to_zeros(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features) {
  s.batch = batch, s.length = length, s.features = features;
  s.data.assign(static_cast<std::size_t>(batch * length * features), 0.0f);
}

TensorView heads_of(Sequence& s, std::int64_t first, std::int64_t heads, std::int64_t head_dim) {
  return {s.data.data() + first,
          ATTN_F32,
          {s.batch, heads, s.length, head_dim},
          {s.length * s.features, head_dim, s.features, 1}};
}

void check_linear(const char* name, const LinearWeights& w, std::int64_t out, std::int64_t in, bool bias) {
  if (w.out != out || w.in != in || w.weight.size() != static_cast<std::size_t>(out * in))
    throw std::invalid_argument(fmt::format("{} has shape [{}, {}] with {} elements, the layer needs [{}, {}]", name,
                                            w.out, w.in, w.weight.size(), out, in));
  if (w.bias.size() != static_cast<std::size_t>(bias ? out : 0))
    throw std::invalid_argument(
        fmt::format("{} has a bias of {} elements, the layer needs {}", name, w.bias.size(), bias ? out : 0));
}

void check_sequence(const char* name, const Sequence& s, std::int64_t features) {
  if (s.batch < 1 || s.length < 1)
    throw std::invalid_argument(
        fmt::format("{} has batch={} and length={}; each must be at least 1", name, s.batch, s.length));
  if (s.features != features || s.data.size() != static_cast<std::size_t>(s.tokens() * features))
    throw std::invalid_argument(fmt::format("{} has {} features and {} elements, the layer needs {} and {}", name,
                                            s.features, s.data.size(), features, s.tokens() * features));
}

void check_context(const Sequence& x, const Sequence& context, std::int64_t d_model) {
  check_sequence("x", x, d_model);
  check_sequence("context", context, d_model);
  if (context.batch != x.batch)
    throw std::invalid_argument(
        fmt::format("context has batch={}, x has batch={}; they must be equal", context.batch, x.batch));
}

void check_probability(const char* name, double p) {
  if (!(p >= 0 && p < 1)) throw std::invalid_argument(fmt::format("{}={} is not in [0, 1)", name, p));
}

ForwardPass pass_of(const Sequence& x, const Sequence& context) {
  return {.batch = x.batch, .length = x.length, .context_length = context.length, .self = &x == &context};
}

void check_backward(const ForwardPass& before, const Sequence& x, const Sequence& context, const char* name,
                    const Sequence& d_out) {
  const auto text = [](const ForwardPass& pass) {
    return fmt::format("batch={} and length={} with {}", pass.batch, pass.length,
                       pass.self ? "itself as context" : fmt::format("a context of length={}", pass.context_length));
  };
  if (before.length == 0)
    throw std::invalid_argument("backward needs lse of a forward pass on the same input, and none went before");
  if (const ForwardPass now = pass_of(x, context); before != now)
    throw std::invalid_argument(
        fmt::format("backward needs lse of a forward pass on the same input: x has {}, the forward pass before had {}",
                    text(now), text(before)));
  if (d_out.batch != x.batch || d_out.length != x.length)
    throw std::invalid_argument(fmt::format("{} has batch={} and length={}, x has {} and {}; they must be equal", name,
                                            d_out.batch, d_out.length, x.batch, x.length));
}

void check_gradients(const Sequence& x, const Sequence& context, const Sequence& dx, const Sequence& d_context) {
  const bool self = &x == &context;
  if (self != (&dx == &d_context))
    throw std::invalid_argument(self ? "dx and d_context are two, x and context one; their sum must go to one sequence"
                                     : "dx and d_context are one, x and context two; each must have a gradient");
}

AttentionOptions core_options(bool causal, double dropout, const Execution& execution, bool backward,
                              AlignedBuffer& workspace) {
  return {.causal = causal,
          .threads = execution.threads,
          .dropout = execution.training ? dropout : 0,
          .seed = execution.seed,
          .variant = backward ? execution.backward_variant : execution.variant,
          .kernel = backward ? execution.backward_kernel : execution.kernel,
          .workspace = &workspace};
}

void head_forward(const HeadSlices& w, const Sequence& x, const Sequence& context, AttentionOptions core,
                  const Execution& execution, HeadState& s) {
  const std::int64_t head_dim = w.q.count;
  {
    const PartTimer timer(execution, &LayerTimes::projections);
    reshape(s.q, x.batch, x.length, head_dim);
    for (Sequence* projected : {&s.k, &s.v}) reshape(*projected, context.batch, context.length, head_dim);
    linear(x.matrix(), w.q, s.q.matrix(), execution.gemm, execution.threads);
    linear(context.matrix(), w.k, s.k.matrix(), execution.gemm, execution.threads);
    linear(context.matrix(), w.v, s.v.matrix(), execution.gemm, execution.threads);
  }
  const PartTimer timer(execution, &LayerTimes::core);
  reshape(s.o, x.batch, x.length, head_dim);
  s.lse.resize(static_cast<std::size_t>(x.tokens()));
  core.lse = s.lse.data();
  const auto view = [&](Sequence& t) { return heads_of(t, 0, 1, head_dim); };
  attention(view(s.q), view(s.k), view(s.v), view(s.o), core);
}

void head_backward(const HeadSlices& w, const Sequence& x, const Sequence& context, const TensorView& d_o,
                   const AttentionOptions& core, const Execution& execution, HeadState& s, Sequence& dx,
                   Sequence& d_context, const HeadGradients& gradients) {
  const std::int64_t head_dim = w.q.count;
  {
    const PartTimer timer(execution, &LayerTimes::core);
    reshape(s.dq, x.batch, x.length, head_dim);
    for (Sequence* gradient : {&s.dk, &s.dv}) reshape(*gradient, context.batch, context.length, head_dim);
    const auto view = [&](Sequence& t) { return heads_of(t, 0, 1, head_dim); };
    attention_backward({.q = view(s.q),
                        .k = view(s.k),
                        .v = view(s.v),
                        .o = view(s.o),
                        .lse = s.lse.data(),
                        .do_ = d_o,
                        .dq = view(s.dq),
                        .dk = view(s.dk),
                        .dv = view(s.dv)},
                       core);
  }
  const PartTimer timer(execution, &LayerTimes::projections);
  const auto back = [&](const Sequence& input, const LinearSlice& slice, const Sequence& dy, Sequence& d_input,
                        LinearWeights& target) {
    linear_backward(input.matrix(), slice, dy.matrix(), d_input.matrix(), target, execution.gemm, execution.threads);
  };
  back(x, w.q, s.dq, dx, gradients.q);
  back(context, w.k, s.dk, d_context, gradients.k);
  back(context, w.v, s.dv, d_context, gradients.v);
}

}  // namespace attn::layers
