#include "layers/gemm.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>
#include <vector>

#ifdef ATTN_HAVE_CBLAS
#include <cblas.h>
#endif

namespace attn::layers {
namespace {

// Rows of c are independent, and all products run along contiguous rows: a transposed second operand is copied upright.
// Sums are kept in double, so that this is what faster products are compared with.
void multiply_add_loops(const ConstMatrixView& a, ConstMatrixView b, const MatrixView& c, Transposed transposed,
                        std::int64_t depth, [[maybe_unused]] int threads) {
  std::vector<float> upright;
  if (transposed == Transposed::second) {
    upright.resize(static_cast<std::size_t>(depth * c.columns));
    for (std::int64_t j = 0; j < c.columns; ++j)
      for (std::int64_t t = 0; t < depth; ++t) upright[t * c.columns + j] = b.data[j * b.stride + t];
    b = {upright.data(), depth, c.columns, c.columns};
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < c.rows; ++i) {
    float* row = c.data + i * c.stride;
    std::vector<double> sum(row, row + c.columns);
    for (std::int64_t t = 0; t < depth; ++t) {
      const double factor = transposed == Transposed::first ? a.data[t * a.stride + i] : a.data[i * a.stride + t];
      const float* from = b.data + t * b.stride;
      for (std::int64_t j = 0; j < c.columns; ++j) sum[j] += factor * from[j];
    }
    for (std::int64_t j = 0; j < c.columns; ++j) row[j] = static_cast<float>(sum[j]);
  }
}

#ifdef ATTN_HAVE_CBLAS
void multiply_add_blas(const ConstMatrixView& a, const ConstMatrixView& b, const MatrixView& c, Transposed transposed,
                       std::int64_t depth, [[maybe_unused]] int threads) {
  for (const std::int64_t size : {c.rows, c.columns, depth, a.stride, b.stride, c.stride})
    if (size > std::numeric_limits<int>::max())
      throw std::invalid_argument(fmt::format("a matrix dimension of {} exceeds CBLAS's 32 bits", size));
#ifdef OPENBLAS_VERSION
  if (openblas_get_num_threads() != threads) openblas_set_num_threads(threads);
#endif
  const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
  cblas_sgemm(CblasRowMajor, transposed == Transposed::first ? CblasTrans : CblasNoTrans,
              transposed == Transposed::second ? CblasTrans : CblasNoTrans, narrow(c.rows), narrow(c.columns),
              narrow(depth), 1.0f, a.data, narrow(a.stride), b.data, narrow(b.stride), 1.0f, c.data, narrow(c.stride));
}
#endif

}  // namespace

Gemm default_gemm() {
#ifdef ATTN_HAVE_CBLAS
  return Gemm::blas;
#else
  return Gemm::loops;
#endif
}

void multiply_add(ConstMatrixView a, ConstMatrixView b, MatrixView c, Transposed transposed, Gemm gemm, int threads) {
  const bool first = transposed == Transposed::first, second = transposed == Transposed::second;
  const std::int64_t rows = first ? a.columns : a.rows, depth = first ? a.rows : a.columns;
  if (rows != c.rows || depth != (second ? b.columns : b.rows) || (second ? b.rows : b.columns) != c.columns)
    throw std::invalid_argument(fmt::format("matrices of {} x {} and {} x {} do not make one of {} x {}", a.rows,
                                            a.columns, b.rows, b.columns, c.rows, c.columns));
  if (gemm == Gemm::loops) return multiply_add_loops(a, b, c, transposed, depth, threads);
#ifdef ATTN_HAVE_CBLAS
  multiply_add_blas(a, b, c, transposed, depth, threads);
#else
  throw std::invalid_argument("gemm=blas, but this build has no CBLAS; valid: loops");
#endif
}

}  // namespace attn::layers
