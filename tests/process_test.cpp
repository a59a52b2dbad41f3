// What a process can do to the library: fork, and give it little memory. It must compute or throw, and neither hang nor
// exit. Each trial is in a child, which an alarm ends.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "attention.hpp"
#include "layers/attention_layers.hpp"
#include "layers/cblas.hpp"

namespace {

using namespace attn;
using namespace attn::layers;

constexpr unsigned kPatienceSeconds = 60;
constexpr std::int64_t kHeads = 4, kRows = 64, kDim = 16;

std::vector<float> attended(int threads) {
  std::vector<float> q(kHeads * kRows * kDim), o(q.size());
  for (std::size_t e = 0; e < q.size(); ++e) q[e] = static_cast<float>(e % 13) - 6;
  const ConstTensorView view = dense_view(std::as_const(q).data(), {1, kHeads, kRows, kDim});
  attention(view, view, view, dense_view(o.data(), view.shape), {.threads = threads});
  return o;
}

std::vector<float> projected(int threads, Gemm gemm) {
  MultiHeadAttention layer({.d_model = 8, .heads = 2});
  for (float& w : layer.weights.in.weight) w = 0.5f;
  for (float& w : layer.weights.out.weight) w = 0.25f;
  Sequence x(2, 9, 8), y;
  for (std::size_t e = 0; e < x.data.size(); ++e) x.data[e] = static_cast<float>(e % 5);
  layer.forward(x, y, {.threads = threads, .gemm = gemm});
  return y.data;
}

// Whether `trial` returns true in a child.
bool succeeds(const char* name, const std::function<bool()>& trial) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kPatienceSeconds);
    const bool good = trial();
    std::fflush(stdout);
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status == 0) return true;
  std::printf("FAILED: %s: %s %d\n", name, WIFSIGNALED(status) ? "signal" : "exit",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return false;
}

bool throws_for_want_of_memory(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    std::printf("%s\n", error.what());
    return true;
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

// 4096 stacks do not fit.
void limit_memory() {
  const rlimit limit{2'000'000'000, 2'000'000'000};
  setrlimit(RLIMIT_AS, &limit);
}

}  // namespace

int main() {
  bool good = true;
  const auto try_in_child = [&](const char* name, const std::function<bool()>& trial) {
    good = succeeds(name, trial) && good;
  };

  // Before this process has any team.
  try_in_child("a team that does not fit is an exception, and smaller ones go on", [] {
    const std::vector<float> expected = attended(2);
    limit_memory();
    return throws_for_want_of_memory([] { attended(4096); }) &&
           throws_for_want_of_memory([] { projected(4096, Gemm::loops); }) &&
           throws_for_want_of_memory([] { projected(4096, default_gemm()); }) && attended(2) == expected;
  });

  const std::vector<float> expected = attended(2), by_loops = projected(2, Gemm::loops);
  const std::vector<float> by_default = projected(2, default_gemm());
  const auto computes = [&] {
    return attended(2) == expected && attended(1) == expected && projected(2, Gemm::loops) == by_loops &&
           projected(2, default_gemm()) == by_default;
  };
  try_in_child("a child computes what its parent does", computes);
  try_in_child("a child of a child does", [&] { return succeeds("inner", computes) && computes(); });
  try_in_child("a thread of a child does", [&] {
    bool right = false;
    std::thread([&] { right = computes(); }).join();
    return right;
  });

  if (cblas().sgemm != nullptr) {
    cblas().set_threads(2);
    const OneThreadEach in_the_parent;
    try_in_child("products of a parent do not hold those of its child",
                 [&] { return computes() && cblas().get_threads() == 2; });
  }
  return good ? 0 : 1;
}
