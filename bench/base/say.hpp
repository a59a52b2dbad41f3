// The two streams of a person. Neither can end a command half way: what became of its results matters more.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace attn::bench {

void say_text(std::string_view text);
void put_text(std::string_view text);

// To standard error: progress, remarks, complaints. Where it cannot be written, full or closed, the text is lost.
template <class... T>
void say(fmt::format_string<T...> format, T&&... arguments) {
  say_text(fmt::format(format, std::forward<T>(arguments)...));
}

// To standard output: results. A failure is remembered, and told when all else is done (output_is_whole).
template <class... T>
void put(fmt::format_string<T...> format, T&&... arguments) {
  put_text(fmt::format(format, std::forward<T>(arguments)...));
}

// Writes what is still in memory; false when anything was lost since the start.
bool output_is_whole();

// First of all: occupies those of the three standard streams that are closed, for files that are opened later would get
// their numbers, and the texts that are meant for them. What is written to such a one is lost.
void keep_standard_streams();

}  // namespace attn::bench
