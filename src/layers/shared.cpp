#include "layers/shared.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace attn::layers {

void reshape(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features) {
  s.batch = batch, s.length = length, s.features = features;
  s.data.resize(static_cast<std::size_t>(batch * length * features));
}

void reshape_to_zeros(Sequence& s, std::int64_t batch, std::int64_t length, std::int64_t features) {
  s.batch = batch, s.length = length, s.features = features;
  s.data.assign(static_cast<std::size_t>(batch * length * features), 0.0f);
}

ConstTensorView heads_of(const Sequence& s, std::int64_t first, std::int64_t heads, std::int64_t head_dim) {
  return {s.data.data() + first,
          ATTN_F32,
          {s.batch, heads, s.length, head_dim},
          {s.length * s.features, head_dim, s.features, 1}};
}

TensorView heads_of(Sequence& s, std::int64_t first, std::int64_t heads, std::int64_t head_dim) {
  const auto [data, dtype, shape, stride] = heads_of(std::as_const(s), first, heads, head_dim);
  return {s.data.data() + first, dtype, shape, stride};
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

}  // namespace attn::layers
