// Rows of keys and values, and copies of a block of them in a form that tiles can read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "detail/half_vectors.hpp"
#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

// Rows of K or V, one per key from `origin` on.
template <class E>
struct KeyRowsOf {
  const E* data;
  std::int64_t stride, origin;

  const E* operator[](std::int64_t key) const { return data + (key - origin) * stride; }
};
using KeyRows = KeyRowsOf<float>;

// These keys' rows, copied where their distance is a multiple of 4 KB: all of them would fall into the same sets of an L1
// of 64 sets, where a block of them does not fit.
template <class E>
inline KeyRowsOf<E> without_collisions(const KeyRowsOf<E>& x, KeyRange keys, std::int64_t dim, E* copy) {
  if (x.stride * static_cast<std::int64_t>(sizeof(E)) % 4096 != 0) return x;
  for (std::int64_t key = keys.begin; key < keys.end; ++key) std::copy_n(x[key], dim, copy + (key - keys.begin) * dim);
  return {copy, dim, keys.begin};
}

// The same as floats, each of which waits for a few cycles of conversion once, however many tiles read it.
template <class E>
inline KeyRows widened(const KeyRowsOf<E>& x, KeyRange keys, std::int64_t dim, float* copy) {
  for (std::int64_t key = keys.begin; key < keys.end; ++key) widen_row(x[key], dim, copy + (key - keys.begin) * dim);
  return {copy, dim, keys.begin};
}

// A block of K or V that tiles can read: as it lies there where that is good.
inline KeyRows readable(const KeyRows& x, KeyRange keys, std::int64_t dim, float* copy) {
  return without_collisions(x, keys, dim, copy);
}
template <class E>
inline KeyRows readable(const KeyRowsOf<E>& x, KeyRange keys, std::int64_t dim, float* copy) {
  return widened(x, keys, dim, copy);
}

}  // namespace
}  // namespace attn::ATTN_ISA
