/* A library of no one's that has an sgemm_, to be loaded before. */
void sgemm_(float* result) { *result = 2; }
