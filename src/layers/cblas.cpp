#include "layers/cblas.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>

namespace attn::layers {
namespace {

#ifdef ATTN_CBLAS_LIBRARY
constexpr const char* kLibraries[] = {"libopenblas.so.0", "libopenblas.so", ATTN_CBLAS_LIBRARY};
constexpr const char* kThreads = "OPENBLAS_NUM_THREADS";

// OpenBLAS starts its threads while it is loaded, by this variable.
class SingleThreaded {
 public:
  SingleThreaded() {
    if (const char* value = std::getenv(kThreads)) before_ = value;
    setenv(kThreads, "1", 1);
  }
  ~SingleThreaded() { before_ ? setenv(kThreads, before_->c_str(), 1) : unsetenv(kThreads); }
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  std::optional<std::string> before_;
};

void* open_library(std::string& why_not) {
  for (const char* name : kLibraries)
    if (void* library = *name == '\0' ? nullptr : dlopen(name, RTLD_NOW | RTLD_NOLOAD)) return library;
  const SingleThreaded while_loading;
  for (const char* name : kLibraries) {
    if (*name == '\0') continue;
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
    if (why_not.empty()) why_not = std::string("there is no OpenBLAS here: ") + dlerror();
  }
  return nullptr;
}

Cblas load() {
  Cblas loaded{};
  void* library = open_library(loaded.why_not);
  if (library == nullptr) return loaded;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr && loaded.why_not.empty()) loaded.why_not = std::string("the OpenBLAS here lacks ") + name;
  };
  find(loaded.sgemm, "cblas_sgemm");
  find(loaded.set_threads, "openblas_set_num_threads");
  find(loaded.get_threads, "openblas_get_num_threads");
  if (!loaded.why_not.empty()) loaded.sgemm = nullptr;
  return loaded;
}
#else
Cblas load() { return {.why_not = "this build has no CBLAS"}; }
#endif

struct Holders {
  std::mutex mutex;
  int count = 0;
  int threads_before = 1;
};

// A child of fork() has none of the threads that held on in its parent, and finds the mutex free.
Holders& holders() {
  static Holders all;
  [[maybe_unused]] static const int watches_forks = pthread_atfork([] { all.mutex.lock(); }, [] { all.mutex.unlock(); },
                                                                   [] {
                                                                     all.count = 0;
                                                                     all.mutex.unlock();
                                                                   });
  return all;
}

}  // namespace

const Cblas& cblas() {
  static const Cblas loaded = load();
  return loaded;
}

OneThreadEach::OneThreadEach() {
  const std::lock_guard lock(holders().mutex);
  if (holders().count++ > 0) return;
  const int threads = cblas().get_threads();
  if (threads == 1) return;
  holders().threads_before = threads;
  cblas().set_threads(1);
}

OneThreadEach::~OneThreadEach() {
  const std::lock_guard lock(holders().mutex);
  if (--holders().count > 0) return;
  const int before = std::exchange(holders().threads_before, 1);
  if (before != 1 && cblas().get_threads() == 1) cblas().set_threads(before);
}

}  // namespace attn::layers
