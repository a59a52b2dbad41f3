// Idea: what one writes with Eigen: two matrix products and a softmax in array expressions, head by head. The library is
//   headers, so that the compiler makes its code for each instruction set; heads are shared out over threads.
// Cost: 2 d + 2 dv FLOPs per pair, masked or not. Workspace: seqlen_q x seqlen_k floats a thread; a product packs its
//   operands into memory that Eigen allocates for the time of the call.
// Numerics: the library's sums and exp; a masked value meets a probability of 0, so that a NaN in it would leak.
// Limits: none.
// Source: Eigen, general matrix product and array expressions.
#define EIGEN_DONT_PARALLELIZE  // threads are ours, one head each
#include <omp.h>

#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "variant.hpp"

namespace attn::ATTN_ISA {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using Scores = Eigen::Map<Matrix>;

Eigen::Map<const Matrix, 0, Stride> head_of(const attn_input& t, std::int64_t b, std::int64_t head, std::int64_t rows,
                                            std::int64_t dim) {
  return {row_of<float>(t, b, head, 0), rows, dim, Stride(t.row_stride)};
}

// Scores of query i to probabilities; returns the row's log-sum-exp.
float softmax_row(const Problem& p, std::int64_t i, Scores& scores) {
  const KeyRange keys = visible_keys(p, i);
  const std::int64_t visible = keys.end - keys.begin;
  auto row = scores.row(i);
  row.head(keys.begin).setZero();
  row.tail(p.seqlen_k - keys.end).setZero();
  if (visible <= 0) return -std::numeric_limits<float>::infinity();

  auto seen = row.segment(keys.begin, visible).array();
  const float row_max = seen.maxCoeff();
  seen = (seen - row_max).exp();
  const float row_sum = seen.sum();
  seen /= row_sum;
  return row_max + std::log(row_sum);
}

void attend_head(const Args& a, std::int64_t b, std::int64_t head, float* workspace) {
  const Problem& p = *a.problem;
  const std::int64_t kv_head = kv_head_of(p, head);
  Scores scores(workspace, p.seqlen_q, p.seqlen_k);
  scores.noalias() = a.softmax_scale * head_of(a.q, b, head, p.seqlen_q, p.head_dim) *
                     head_of(a.k, b, kv_head, p.seqlen_k, p.head_dim).transpose();
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    const float lse = softmax_row(p, i, scores);
    if (a.lse) a.lse[(b * p.heads + head) * p.seqlen_q + i] = lse;
  }
  Eigen::Map<Matrix, 0, Stride> o(row_of<float>(a.o, b, head, 0), p.seqlen_q, p.value_dim, Stride(a.o.row_stride));
  o.noalias() = scores * head_of(a.v, b, kv_head, p.seqlen_k, p.value_dim);
}

void run_eigen(const Args* a) {
  const Problem& p = *a->problem;
#pragma omp parallel for schedule(static) num_threads(a->threads)
  for (std::int64_t task = 0; task < p.batch * p.heads; ++task)
    attend_head(*a, task / p.heads, task % p.heads,
                static_cast<float*>(a->workspace) + omp_get_thread_num() * p.seqlen_q * p.seqlen_k);
}

std::size_t eigen_workspace(const Problem* p, std::int32_t threads) {
  return static_cast<std::size_t>(threads * p->seqlen_q * p->seqlen_k) * sizeof(float);
}

const char* eigen_limits(const Problem* p) {
  // Leaves room for the largest team and the size of a float.
  return p->seqlen_q > (std::int64_t{1} << 48) / p->seqlen_k ? "its score matrix exceeds 64-bit sizes" : nullptr;
}

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_VARIANT(eigen, .summary = "matrix products and array expressions of Eigen; heads over threads", .source = "Eigen",
             .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
             .error_multiple = 1, .limits = eigen_limits, .workspace_bytes = eigen_workspace, .run = run_eigen)
