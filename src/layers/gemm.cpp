#include "layers/gemm.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "layers/cblas.hpp"
#include "run.hpp"
#include "with_team.hpp"

namespace attn::layers {
namespace {

// Rows of c are independent, and all products run along contiguous rows: a transposed second operand is copied upright.
// Sums are kept in double, so that this is what faster products are compared with.
void multiply_add_loops(const ConstMatrixView& a, ConstMatrixView b, const MatrixView& c, Transposed transposed,
                        std::int64_t depth, int threads) {
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

// CBLAS's own numbers.
enum { kRowMajor = 101, kNoTranspose = 111, kTranspose = 112 };

// The team that runs the core takes a slice of c each, along its longer side. Threads of the library's own would meet that
// team while it still spins for its next region: two threads then ran 0.6 to 1.1 times as fast as one (OpenBLAS 0.3.21).
void multiply_add_blas(const ConstMatrixView& a, const ConstMatrixView& b, const MatrixView& c, Transposed transposed,
                       std::int64_t depth, int threads) {
  for (const std::int64_t size : {c.rows, c.columns, depth, a.stride, b.stride, c.stride})
    if (size > std::numeric_limits<int>::max())
      throw std::invalid_argument(fmt::format("a matrix dimension of {} exceeds CBLAS's 32 bits", size));
  const bool first = transposed == Transposed::first, second = transposed == Transposed::second;
  const bool by_rows = c.rows >= c.columns;
  const std::int64_t length = by_rows ? c.rows : c.columns;
  const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
  const OneThreadEach one_thread_each;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int slice = 0; slice < threads; ++slice) {
    const std::int64_t begin = length * slice / threads, size = length * (slice + 1) / threads - begin;
    const float* a_slice = a.data + (by_rows ? begin * (first ? 1 : a.stride) : 0);
    const float* b_slice = b.data + (by_rows ? 0 : begin * (second ? b.stride : 1));
    float* c_slice = c.data + begin * (by_rows ? c.stride : 1);
    cblas().sgemm(kRowMajor, first ? kTranspose : kNoTranspose, second ? kTranspose : kNoTranspose,
                  narrow(by_rows ? size : c.rows), narrow(by_rows ? c.columns : size), narrow(depth), 1.0f, a_slice,
                  narrow(a.stride), b_slice, narrow(b.stride), 1.0f, c_slice, narrow(c.stride));
  }
}

}  // namespace

Gemm default_gemm() { return cblas().sgemm != nullptr ? Gemm::blas : Gemm::loops; }

std::string why_no_blas() { return cblas().why_not; }

void multiply_add(ConstMatrixView a, ConstMatrixView b, MatrixView c, Transposed transposed, Gemm gemm, int threads) {
  validate_threads(threads);
  const bool first = transposed == Transposed::first, second = transposed == Transposed::second;
  const std::int64_t rows = first ? a.columns : a.rows, depth = first ? a.rows : a.columns;
  if (rows != c.rows || depth != (second ? b.columns : b.rows) || (second ? b.rows : b.columns) != c.columns)
    throw std::invalid_argument(fmt::format("matrices of {} x {} and {} x {} do not make one of {} x {}", a.rows,
                                            a.columns, b.rows, b.columns, c.rows, c.columns));
  if (gemm == Gemm::loops) return with_team(threads, [&] { multiply_add_loops(a, b, c, transposed, depth, threads); });
  if (cblas().sgemm == nullptr)
    throw std::invalid_argument(fmt::format("gemm=blas, but {}; valid: loops", cblas().why_not));
  with_team(threads, [&] { multiply_add_blas(a, b, c, transposed, depth, threads); });
}

}  // namespace attn::layers
