// The window that text goes to: how wide it is, and whether its lines can be coloured and written anew.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attn::bench {

// Columns of the terminal behind this descriptor; 80 where it is none, or does not tell.
std::size_t window_columns(int descriptor);

// A terminal that knows escape sequences, which TERM=dumb does not.
bool rewrites_lines(int descriptor);

// Such a terminal, unless NO_COLOR is set (no-color.org).
bool wants_color(int descriptor);

// At most so many columns of it, a character taken for one; the last three of a text that is cut are dots.
std::string cut(std::string_view text, std::size_t columns);

// Broken between words into lines of at most so many columns, the second and later ones indented; a longer word has a line of
// its own. Line breaks of the text stay.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent = 0);

// Characters of UTF-8.
std::size_t length_of(std::string_view text);

}  // namespace attn::bench
