// Text of somebody else: what of it reaches a terminal and a result file.
#include "base/printable.hpp"

#include <random>

#include "base/json.hpp"
#include "base/shell_word.hpp"
#include "catch.hpp"

namespace attn::test {

using bench::is_utf8;
using bench::printable;
using bench::printable_lines;

TEST_CASE("what a terminal would obey is escaped, and what it shows stays", "[printable]") {
  const auto [text, shown] = GENERATE(table<std::string, std::string>({
      {"plain, and 'quoted' \\ text", "plain, and 'quoted' \\ text"},
      {"größer 日本 \U0001F600", "größer 日本 \U0001F600"},
      {"\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m"},
      {"a\tb\r\nc", "a b  c"},
      {std::string("nul\0bell\a\x7f", 10), "nul\\x00bell\\x07\\x7f"},
      {"C1 \u009b31m", "C1 \\u009b31m"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"cut \xe6\x97", "cut \\xe6\\x97"},
      {"overlong \xc0\x80", "overlong \\xc0\\x80"},
      {"surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80"},
      {"beyond \xf4\x90\x80\x80", "beyond \\xf4\\x90\\x80\\x80"},
      {"", ""},
  }));
  CHECK(printable(text) == shown);
  CHECK(printable(printable(text)) == shown);
}

TEST_CASE("a text too long is cut between characters, which dots tell", "[printable]") {
  CHECK(printable("12345678", 8) == "12345678");
  CHECK(printable("123456789", 8) == "12345...");
  CHECK(printable("日本語日本語", 11) == "日本...");
  CHECK(printable("\033\033\033", 8) == "\\x1b...");
  CHECK(printable(std::string(1000000, 'x'), 200).size() == 200);
}

TEST_CASE("lines of a message stay lines", "[printable]") {
  CHECK(printable_lines("one\ntwo\t\033[2J\xff") == "one\ntwo\\x09\\x1b[2J\\xff");
}

TEST_CASE("random bytes become valid UTF-8 without a control character, and are JSON", "[printable]") {
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 3 ? random() : "\033\xc2\xe2\xf0\x9f\x80\n"[random() % 7]);
    CAPTURE(text);
    const std::string shown = printable(text, 60);
    CHECK(shown.size() <= 60);
    CHECK(is_utf8(shown));
    for (const char c : shown) CHECK((static_cast<unsigned char>(c) >= ' ' && c != 127));
    CHECK(bench::Json::parse(bench::json_line(bench::Json{{text, shown}})).is_object());
    CHECK(bench::path_from_json(bench::Json::parse(bench::json_line(bench::path_to_json(text)))) == text);
  }
}

TEST_CASE("a word that cannot be printed is quoted so that a shell reads the same bytes", "[printable]") {
  CHECK(bench::shell_word("it's") == "'it'\\''s'");
  CHECK(bench::shell_word("größer") == "'größer'");
  CHECK(bench::shell_word("it's\n\xff"
                          "1\\") == "$'it\\'s\\012\\3771\\\\'");
}

}  // namespace attn::test
