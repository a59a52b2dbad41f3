#include "measure/watchdog.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "base/errors.hpp"
#include "base/say.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "base/window.hpp"
#include "machine/thread_limits.hpp"

namespace attn::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kSayEvery = 10;

}  // namespace

double patience_seconds(double hang_seconds, double expected_seconds) {
  constexpr double kPatience = 10;
  return hang_seconds + kPatience * expected_seconds;
}

std::string hung_text(double seconds) { return fmt::format("hung: no answer for {:.3g} s", seconds); }

void end_hung(const std::string& name, double seconds) {
  say("\nattnbench: {} in {}\n{}", hung_text(seconds), name, how_to_go_on(name));
  end_process(kExitWrong);
}

Watchdog::Watchdog(double hang_seconds, OnHang on_hang)
    : hang_seconds_(hang_seconds), on_hang_(on_hang ? std::move(on_hang) : OnHang(end_hung)) {
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (const std::system_error& error) {
    throw EnvironmentError(fmt::format("cannot start the thread that notices hangs: {}; {}", error.code().message(),
                                       thread_limits_text()));
  }
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::begin(std::string name, double expected_seconds) {
  {
    const std::lock_guard lock(mutex_);
    name_ = std::move(name);
    patience_ = patience_seconds(hang_seconds_, expected_seconds);
    waited_ = said_ = 0;
    busy_ = true;
  }
  changed_.notify_one();
}

void Watchdog::end() {
  const std::lock_guard lock(mutex_);  // waits for on_hang
  busy_ = false;
}

void Watchdog::watch() {
  // Rare enough to disturb nobody; a longer pause between two looks means that the process was stopped.
  const double tick = std::clamp(hang_seconds_ / 10, 1e-3, 1.0);
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (!busy_) {
      changed_.wait(lock);
      continue;
    }
    const auto before = Clock::now();
    changed_.wait_for(lock, Seconds(tick));
    if (closing_ || !busy_) continue;
    waited_ += std::min(Seconds(Clock::now() - before).count(), 2 * tick);
    if (waited_ >= patience_) {
      on_hang_(name_, waited_);
      busy_ = false;
    } else if (waited_ >= said_ + kSayEvery && !rewrites_lines(STDERR_FILENO)) {
      said_ = waited_;
      say("for {:.0f} s now: {}\n", waited_, name_);
    }
  }
}

}  // namespace attn::bench
