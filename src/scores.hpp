// Scores: which pairs of query and key have one, and what it is made of a dot product. The oracle, the naive kernels and
// the mutants' honest base use nothing else; which keys a query sees is `visible_keys` of problem.hpp.
#pragma once

#include <cmath>

#include "problem.hpp"

namespace attn {

// The score that softmax takes; x: softmax_scale q.k. Capped, it is finite even where x is not.
// Source of the cap: Bello et al., "Neural Combinatorial Optimization with Reinforcement Learning" (2016); Gemma 2 (2024),
// section 2.
template <class T>
inline T score_of(const Problem& p, T x) {
  if (p.softcap == 0) return x;
  const T cap = static_cast<T>(p.softcap);
  return cap * std::tanh(x / cap);
}

// d score / d x at the x of this score, and the scale of its rounding error where x was summed up from products of this
// size, softmax_scale sum_d |q_d k_d|.
template <class T>
struct ScoreSlope {
  T value, size;
};

template <class T>
inline ScoreSlope<T> slope_of(const Problem& p, T score, T size) {
  if (p.softcap == 0) return {1, 1};
  const T cap = static_cast<T>(p.softcap), t = score / cap;
  return {1 - t * t, 1 + t * t + 2 * std::fabs(t) * size / cap};
}

}  // namespace attn
