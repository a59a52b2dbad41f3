#include "with_team.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <future>
#include <latch>
#include <limits>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace attn {
namespace {

thread_local bool team_is_lost = false;

// Of the program that this is loaded into: it may have teams of its own before it calls this library.
[[maybe_unused]] const int kWatchesForks = pthread_atfork(nullptr, nullptr, [] { team_is_lost = true; });

#ifdef _OPENMP
int most_threads() { return omp_get_thread_limit(); }
#else
int most_threads() { return std::numeric_limits<int>::max(); }  // whose runtime starts teams is not known here
int omp_get_max_threads() { return 1; }
#endif

}  // namespace

int default_team() { return omp_get_max_threads(); }

// Starts the threads that the team needs beside those that the runtime has from the one before, all at once, and ends them.
void require_team(int threads) {
  thread_local int kept = 1;
  threads = std::min(threads, most_threads());
  if (threads <= 1 || threads == kept) return;
  std::vector<std::thread> started;
  std::latch end(1);
  std::error_code failure;
  try {
    while (kept + static_cast<int>(started.size()) < threads) started.emplace_back([&end] { end.wait(); });
  } catch (const std::system_error& error) {
    failure = error.code();
  } catch (const std::bad_alloc&) {
    failure = std::make_error_code(std::errc::not_enough_memory);
  }
  end.count_down();
  for (std::thread& thread : started) thread.join();
  if (failure)
    throw std::system_error(failure, fmt::format("cannot start a team of {} threads: thread {} failed", threads,
                                                 kept + started.size() + 1));
  kept = threads;
}

void with_team(int threads, const std::function<void()>& work) {
  const auto checked = [&] {
    require_team(threads);
    work();
  };
  if (team_is_lost)
    std::async(std::launch::async, checked).get();
  else
    checked();
}

}  // namespace attn
