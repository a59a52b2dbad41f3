// Watchdog: a thread that notices when a kernel in this process does not come back.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace attn::bench {

// How late something may be that is predicted to take so long. Predictions are rough, and a core can lose half its speed.
double patience_seconds(double hang_seconds, double expected_seconds);

class Watchdog {
 public:
  // Called on the thread of the watchdog with what is late and for how many seconds it ran. Not to return.
  using OnHang = std::function<void(const std::string& name, double seconds)>;

  // Throws EnvironmentError when the thread cannot be started. `on_hang`: the default is end_hung().
  explicit Watchdog(double hang_seconds, OnHang on_hang = {});
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // From now on `name` is at work, and ended when it is late, until end() or the next begin(). Time in which this process
  // was stopped (Ctrl-Z, SIGSTOP) does not count. Where stderr is no terminal, a line names what is at work every 10 s.
  void begin(std::string name, double expected_seconds);
  void end();

 private:
  void watch();

  double hang_seconds_;
  OnHang on_hang_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false, busy_ = false;
  std::string name_;
  double patience_ = 0, waited_ = 0, said_ = 0;
  std::thread thread_;  // last: it reads what stands above
};

// begin() and end() of a scope; nothing without a watchdog.
class Watched {
 public:
  Watched(Watchdog* watchdog, std::string name, double expected_seconds) : watchdog_(watchdog) {
    if (watchdog_ != nullptr) watchdog_->begin(std::move(name), expected_seconds);
  }
  ~Watched() {
    if (watchdog_ != nullptr) watchdog_->end();
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  Watchdog* watchdog_;
};

// "hung: no answer for 60 s"
std::string hung_text(double seconds);

// Says on stderr what hung and how to go on, and ends the process with exit 1, as a crash does.
[[noreturn]] void end_hung(const std::string& name, double seconds);

}  // namespace attn::bench
