#include "layers/cblas.hpp"

#include <dlfcn.h>

#include <cstdlib>
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

}  // namespace

const Cblas& cblas() {
  static const Cblas loaded = load();
  return loaded;
}

}  // namespace attn::layers
