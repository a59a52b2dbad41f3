// Products of f32 matrices for the projections of the layers: CBLAS, or plain loops where it is absent or not wanted.
// CBLAS is OpenBLAS, which is loaded by the first of these functions that is called (layers/cblas.hpp), so that a program
// without layers has no BLAS in its process.
#pragma once

#include <cstdint>
#include <string>

namespace attn::layers {

enum class Gemm { blas, loops };

// blas where OpenBLAS can be loaded, else loops.
Gemm default_gemm();

// Why default_gemm() is loops; empty when it is blas.
std::string why_no_blas();

// Rows of floats in somebody else's memory; `stride` floats from one row to the next.
struct ConstMatrixView {
  const float* data;
  std::int64_t rows, columns, stride;
};

struct MatrixView {
  float* data;
  std::int64_t rows, columns, stride;
  operator ConstMatrixView() const { return {data, rows, columns, stride}; }
};

enum class Transposed { none, first, second };

// c += a b, with a or b transposed, by an OpenMP team of `threads`. Aliases nothing. Throws std::invalid_argument when the
// shapes do not chain, a dimension exceeds CBLAS's 32 bits, threads is out of range, or blas is asked for where there is none.
void multiply_add(ConstMatrixView a, ConstMatrixView b, MatrixView c, Transposed transposed, Gemm gemm, int threads);

}  // namespace attn::layers
