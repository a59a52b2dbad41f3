/* A library that brings its own sgemm_, as PyTorch does, and calls it in the way that lets others stand in. */
void sgemm_(float* result) { *result = 1; }
float call_own_gemm(void) {
  float result = 0;
  sgemm_(&result);
  return result;
}
