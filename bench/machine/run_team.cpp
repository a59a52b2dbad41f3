#include "machine/run_team.hpp"

#include <omp.h>

namespace attn::bench {

void run_team(int threads, const std::function<void(int, int)>& work) {
#pragma omp parallel num_threads(threads)
  work(omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace attn::bench
