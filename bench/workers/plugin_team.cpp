#include "workers/plugin_team.hpp"

#include <dlfcn.h>

#include <thread>
#include <vector>

#include "machine/run_team.hpp"

namespace attn::bench {
namespace {

// Entries of GCC's runtime, which LLVM's and Intel's have too: what `#pragma omp parallel` calls, and who is asking.
struct Runtime {
  void (*parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
  int (*member)() = nullptr;
  int (*members)() = nullptr;
};

Runtime& runtime() {
  static Runtime borrowed;
  return borrowed;
}

struct Work {
  const std::function<void(int, int)>& run;
  const Runtime& on;
};

void run_member(void* data) {
  const Work& work = *static_cast<const Work*>(data);
  work.run(work.on.member(), work.on.members());
}

}  // namespace

void borrow_team_of(void* library) {
  Runtime found;
  const auto find = [&](auto& entry, const char* name) {
    entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(dlsym(library, name));
    return entry != nullptr;
  };
  if (find(found.parallel, "GOMP_parallel") && find(found.member, "omp_get_thread_num") &&
      find(found.members, "omp_get_num_threads"))
    runtime() = found;
}

const char* team_library() {
  Dl_info info{};
  const auto entry = reinterpret_cast<void*>(runtime().parallel);
  return entry != nullptr && dladdr(entry, &info) != 0 ? info.dli_fname : "";
}

void run_team(int threads, const std::function<void(int, int)>& work) {
  if (runtime().parallel != nullptr) {
    Work of_all{work, runtime()};
    return runtime().parallel(run_member, &of_all, static_cast<unsigned>(threads), 0);
  }
  std::vector<std::jthread> others;
  for (int member = 1; member < threads; ++member) others.emplace_back(work, member, threads);
  work(0, threads);
}

}  // namespace attn::bench
