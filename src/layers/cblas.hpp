// The CBLAS of the projections: OpenBLAS, loaded when it is first asked for.
#pragma once

#include <string>

namespace attn::layers {

// The one function that products need, and the two with which OpenBLAS's threads are kept away.
struct Cblas {
  void (*sgemm)(int order, int transpose_a, int transpose_b, int rows, int columns, int depth, float alpha,
                const float* a, int a_stride, const float* b, int b_stride, float beta, float* c, int c_stride);
  void (*set_threads)(int threads);
  int (*get_threads)();
  std::string why_not;  // there is none, when sgemm is null
};

// Loads OpenBLAS in the first call, by the loader's paths or from where the build found it. One that the program has
// loaded before is used as it is; else it is loaded single-threaded, so that no threads of its own start, and stays so for
// others who load it later until they set its threads. Reads, and for the time of loading changes, the environment.
const Cblas& cblas();

// OpenBLAS has one thread a call while any of these exists. That is one setting of the whole process: the first of them makes
// it, and the last one puts back what its user had set, unless that was set anew meanwhile.
class OneThreadEach {
 public:
  OneThreadEach();
  ~OneThreadEach();
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;
};

}  // namespace attn::layers
