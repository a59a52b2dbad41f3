// Text of somebody else (a plugin, a file's name, a command line) as it may go to a terminal and into a result file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attn::bench {

// One line of valid UTF-8 without control characters: bytes that are none become \xff, control characters \x1b or \u009b,
// line breaks and tabs spaces. Longer than `most_bytes`, it is cut, which three dots tell.
std::string printable(std::string_view text, std::size_t most_bytes = std::string_view::npos);

// The same of a message of several lines: line breaks stay.
std::string printable_lines(std::string_view text);

// Of a summary, a source, a version, a label: a line of a table has no room for more. The rest is cut.
inline constexpr std::size_t kMostToldBytes = 200;

bool is_utf8(std::string_view text);

}  // namespace attn::bench
