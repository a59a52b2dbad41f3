// Scores: which pairs of query and key have one, and what it is made of a dot product. The oracle, the naive kernels and
// the mutants' honest base use nothing else; which keys a query sees is `visible_keys` of problem.hpp.
#pragma once

#include "problem.hpp"

namespace attn {

// The score that softmax takes; x: softmax_scale q.k.
template <class T>
inline T score_of(const Problem&, T x) {
  return x;
}

// d score / d x at the x of this score, and the scale of its rounding error where a score of this size (softmax_scale
// sum_d |q_d k_d|) was summed up: the same with every term replaced by its absolute value.
template <class T>
struct ScoreSlope {
  T value, size;
};

template <class T>
inline ScoreSlope<T> slope_of(const Problem&, T /*score*/, T /*size*/) {
  return {1, 1};
}

}  // namespace attn
