// Text in a window: its width, what it knows, cutting and wrapping.
#include "base/window.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/quantities.hpp"
#include "base/split.hpp"
#include "catch.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

// The terminal's end of a pseudoterminal of so many columns.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : host_(posix_openpt(O_RDWR | O_NOCTTY)) {
    REQUIRE(host_ >= 0);
    REQUIRE(grantpt(host_) == 0);
    REQUIRE(unlockpt(host_) == 0);
    terminal_ = open(ptsname(host_), O_RDWR | O_NOCTTY);
    REQUIRE(terminal_ >= 0);
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    REQUIRE(ioctl(host_, TIOCSWINSZ, &size) == 0);
  }
  ~Terminal() {
    close(terminal_);
    close(host_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  int descriptor() const { return terminal_; }

 private:
  int host_, terminal_ = -1;
};

}  // namespace

TEST_CASE("a window is as wide as the terminal, and 80 columns where there is none", "[window]") {
  CHECK(window_columns(Terminal(20).descriptor()) == 20);
  CHECK(window_columns(Terminal(211).descriptor()) == 211);
  CHECK(window_columns(Terminal(0).descriptor()) == 80);  // it does not tell
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(window_columns(ends[1]) == 80);
  CHECK_FALSE(rewrites_lines(ends[1]));
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("escape sequences go to terminals that know them, colours only where nobody minds", "[window]") {
  const Terminal terminal(80);
  unsetenv("NO_COLOR");
  setenv("TERM", "xterm", 1);
  CHECK(rewrites_lines(terminal.descriptor()));
  CHECK(wants_color(terminal.descriptor()));
  setenv("NO_COLOR", "1", 1);
  CHECK(rewrites_lines(terminal.descriptor()));
  CHECK_FALSE(wants_color(terminal.descriptor()));
  setenv("NO_COLOR", "", 1);  // as if it were not set
  CHECK(wants_color(terminal.descriptor()));
  setenv("TERM", "dumb", 1);
  CHECK_FALSE(rewrites_lines(terminal.descriptor()));
  CHECK_FALSE(wants_color(terminal.descriptor()));
  unsetenv("NO_COLOR");
}

TEST_CASE("a text is cut to its columns, characters whole", "[window]") {
  CHECK(cut("attention", 9) == "attention");
  CHECK(cut("attention", 8) == "atten...");
  CHECK(cut("attention", 2) == "..");
  CHECK(cut("attention", 0).empty());
  CHECK(cut("\u00e4\u00e4\u00e4\u00e4\u00e4", 5) == "\u00e4\u00e4\u00e4\u00e4\u00e4");
  CHECK(cut("\u00e4\u00e4\u00e4\u00e4\u00e4", 4) == "\u00e4...");
}

TEST_CASE("a text is wrapped between words", "[window]") {
  CHECK(wrapped("one two three", 7, 2) == "one two\n  three");
  CHECK(wrapped("one two three", 80) == "one two three");
  CHECK(wrapped("  kept  spaces", 80) == "  kept  spaces");
  CHECK(wrapped("first\nsecond line", 8, 1) == "first\nsecond\n line");
  CHECK(wrapped("a/word/that/is/longer than", 10, 1) == "a/word/that/is/longer\n than");
  for (const std::string& line : split(wrapped("the quick brown fox jumps over the lazy dog", 11, 3), '\n'))
    CHECK(line.size() <= 11);
}

TEST_CASE("quantities have three digits", "[window]") {
  CHECK(time_text(1.234e-9) == "1.23 ns");
  CHECK(time_text(12.34e-6) == "12.3 us");
  CHECK(time_text(999.6e-6) == "1.00 ms");
  CHECK(time_text(0.1234) == "123 ms");
  CHECK(time_text(61.0) == "61.0 s");
  CHECK(count_text(0.5) == "0.50");
  CHECK(count_text(999.7) == "1.00k");
  CHECK(count_text(76543) == "76.5k");
  CHECK(count_text(1.5e6) == "1.50M");
  CHECK(clock_time(65.4) == "1:05");
}

}  // namespace attn::test
