#pragma once

#include <string>

namespace attn::bench {

// The whole of a regular file, or of a pipe that somebody writes to; nothing else is read, since it may never end. Throws
// UsageError naming it and the reason, Interrupted.
std::string read_text(const std::string& path);

}  // namespace attn::bench
