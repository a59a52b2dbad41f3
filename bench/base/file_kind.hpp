// What stands behind a path that should have been a file.
#pragma once

#include <string>

namespace attn::bench {

// "a folder", "a pipe", "a character device", "a block device", "a socket", "a regular file"; else why it cannot be told:
// "no such file", "a link in a circle". Follows links.
std::string file_kind(const std::string& path);

}  // namespace attn::bench
