// TensorView: a non-owning view of a 4-d tensor in logical order [batch, head, row, dim], and the layouts that the
// suite feeds. Strides count elements; the last one is 1. Those of dimensions of size 1 mean nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "element.hpp"
#include "problem.hpp"

namespace attn {

// Of data that is only read.
struct ConstTensorView {
  const void* data = nullptr;
  std::int32_t dtype = ATTN_F32;
  std::array<std::int64_t, 4> shape{};   // batch, head, row, dim
  std::array<std::int64_t, 4> stride{};  // in elements
};

struct TensorView {
  void* data = nullptr;
  std::int32_t dtype = ATTN_F32;
  std::array<std::int64_t, 4> shape{};
  std::array<std::int64_t, 4> stride{};
  constexpr operator ConstTensorView() const { return {data, dtype, shape, stride}; }
};

// The tensors of one call. Forward: o and, if the problem asks for it, lse are outputs, the gradients are empty.
// Backward: o, lse and do_ are inputs, dq, dk and dv outputs, shaped as q, k and v.
struct Tensors {
  TensorView q, k, v, o;
  float* lse = nullptr;         // [batch, heads, seqlen_q] contiguous, else null
  std::uint64_t seed = 0;       // of the dropout mask; of no meaning without dropout
  std::int64_t first_head = 0;  // number that the mask gives to query head 0
  TensorView do_ = {}, dq = {}, dk = {}, dv = {};
  std::optional<double> softmax_scale = {};  // 1 / sqrt(head_dim) unless given
  TensorView k_scale = {}, v_scale = {};     // f32, [batch, kv_heads, seqlen_k, 1] contiguous; empty unless kv is int8
};

// bhsd: each head's rows together. bshd: each token's heads together. packed: q, k and v of a token side by side in
// one buffer, [batch, seq, heads + 2 kv_heads, dim], as one fused projection leaves them (o is then bshd).
enum class Layout : std::int32_t { bhsd, bshd, packed };

// A dense tensor of this shape in bhsd or bshd order.
constexpr ConstTensorView dense_view(const void* data, std::array<std::int64_t, 4> shape, Layout layout = Layout::bhsd,
                                     std::int32_t dtype = ATTN_F32) {
  const auto [batch, heads, rows, dim] = shape;
  return layout == Layout::bhsd ? ConstTensorView{data, dtype, shape, {heads * rows * dim, rows * dim, dim, 1}}
                                : ConstTensorView{data, dtype, shape, {rows * heads * dim, dim, heads * dim, 1}};
}

constexpr TensorView dense_view(void* data, std::array<std::int64_t, 4> shape, Layout layout = Layout::bhsd,
                                std::int32_t dtype = ATTN_F32) {
  const ConstTensorView view = dense_view(static_cast<const void*>(data), shape, layout, dtype);
  return {data, view.dtype, view.shape, view.stride};
}

// Address of row (batch, head, row) of a kernel's argument.
template <class T>
inline const T* row_of(const attn_input& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<const T*>(t.data) + b * t.batch_stride + h * t.head_stride + i * t.row_stride;
}

template <class T>
inline T* row_of(const attn_output& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<T*>(t.data) + b * t.batch_stride + h * t.head_stride + i * t.row_stride;
}

// Of a kernel's k_scale or v_scale: those of the keys of a kv head.
inline const float* scales_of(const float* scales, const Problem& p, std::int64_t b, std::int64_t kv_head) {
  return scales + (b * p.kv_heads + kv_head) * p.seqlen_k;
}

// Of a view, whatever its elements are.
inline std::int64_t offset_of(const ConstTensorView& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return b * t.stride[0] + h * t.stride[1] + i * t.stride[2];
}

inline const std::byte* bytes_of_row(const ConstTensorView& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<const std::byte*>(t.data) + offset_of(t, b, h, i) * element_of(t.dtype).bytes;
}

inline std::byte* bytes_of_row(const TensorView& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<std::byte*>(t.data) + offset_of(t, b, h, i) * element_of(t.dtype).bytes;
}

// Throws std::logic_error where the elements of a view are no T.
template <class T>
void require_elements(const ConstTensorView& t) {
  if (t.dtype != kDtypeOf<T>) throw std::logic_error("the elements of a view are of another type");
}

template <class T>
inline const T* row_of(const ConstTensorView& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  require_elements<T>(t);
  return static_cast<const T*>(t.data) + offset_of(t, b, h, i);
}

template <class T>
inline T* row_of(const TensorView& t, std::int64_t b, std::int64_t h, std::int64_t i) {
  require_elements<T>(t);
  return static_cast<T*>(t.data) + offset_of(t, b, h, i);
}

// A row in T, widened; and written from T, rounded.
template <class T>
inline void read_row(const ConstTensorView& t, std::int64_t b, std::int64_t h, std::int64_t i, T* to) {
  read_elements(t.dtype, bytes_of_row(t, b, h, i), t.shape[3], to);
}

template <class T>
inline void write_row(const TensorView& t, std::int64_t b, std::int64_t h, std::int64_t i, const T* from) {
  write_elements(t.dtype, from, t.shape[3], bytes_of_row(t, b, h, i));
}

// The four shapes of a problem.
constexpr std::array<std::int64_t, 4> shape_q(const Problem& p) { return {p.batch, p.heads, p.seqlen_q, p.head_dim}; }
constexpr std::array<std::int64_t, 4> shape_k(const Problem& p) {
  return {p.batch, p.kv_heads, p.seqlen_k, p.head_dim};
}
constexpr std::array<std::int64_t, 4> shape_v(const Problem& p) {
  return {p.batch, p.kv_heads, p.seqlen_k, p.value_dim};
}
// Of the scales of int8: one of every token and kv head, for all of its features.
constexpr std::array<std::int64_t, 4> shape_scale(const Problem& p) { return {p.batch, p.kv_heads, p.seqlen_k, 1}; }
constexpr std::array<std::int64_t, 4> shape_o(const Problem& p) { return {p.batch, p.heads, p.seqlen_q, p.value_dim}; }

constexpr std::int64_t elements(const std::array<std::int64_t, 4>& shape) {
  return shape[0] * shape[1] * shape[2] * shape[3];
}

}  // namespace attn
