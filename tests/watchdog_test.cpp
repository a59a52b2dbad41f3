// The watchdog, with what it does about a hang replaced by a note of it.
#include <atomic>
#include <chrono>
#include <future>

#include "catch.hpp"
#include "measure/watchdog.hpp"

using namespace attn::bench;

namespace {

struct Seen {
  std::promise<std::string> name;
  Watchdog::OnHang note() {
    return [this](const std::string& what, double) { name.set_value(what); };
  }
  // Of what hung within 10 s.
  std::string within_seconds() {
    auto future = name.get_future();
    return future.wait_for(std::chrono::seconds(10)) == std::future_status::ready ? future.get() : "nothing";
  }
};

}  // namespace

TEST_CASE("what does not end is named, once", "[watchdog]") {
  Seen seen;
  Watchdog watchdog(0.02, seen.note());  // a second call would throw: the promise is kept
  watchdog.begin("first", 0);
  watchdog.end();
  watchdog.begin("second", 0);
  CHECK(seen.within_seconds() == "second");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

TEST_CASE("what ends in time is left alone, and its prediction lengthens the time", "[watchdog]") {
  std::atomic<int> hangs = 0;
  Watchdog watchdog(0.02, [&](const std::string&, double) { ++hangs; });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // nothing is at work
  watchdog.begin("predicted to be long", 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  watchdog.end();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  { const Watched watched(&watchdog, "over at once", 0); }
  const Watched nobody(nullptr, "without a watchdog", 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(hangs == 0);
  CHECK(patience_seconds(60, 2) == 80);
}
