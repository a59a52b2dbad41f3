// What a binding exports: attention and a layer, by plain C.
#include "attention.hpp"
#include "layers/attention_layers.hpp"

// o of a single head, [length, dim] as q, k and v; 0 when it went well.
extern "C" int attend(const float* q, const float* k, const float* v, float* o, std::int64_t length,
                      std::int64_t dim) try {
  const auto view = [&](auto* data) { return attn::dense_view(data, {1, 1, length, dim}); };
  attn::attention(view(q), view(k), view(v), view(o), {.threads = 2, .softmax_scale = 1});
  attn::layers::MultiHeadAttention layer({.d_model = 8, .heads = 2});
  attn::layers::Sequence y;
  layer.forward(attn::layers::Sequence(1, 3, 8), y, {.threads = 2});
  return 0;
} catch (...) {
  return 1;
}
