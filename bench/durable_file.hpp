// Files that are whole or not there: written beside their place, then renamed.
#pragma once

#include <string>

namespace attn::bench {

// Throws UsageError when write_atomically(path, ...) could not work. Changes nothing.
void require_writable(const std::string& path);

// Writes a whole file or leaves the old one: temporary, fsync, rename. Throws EnvironmentError.
void write_atomically(const std::string& path, const std::string& text);

}  // namespace attn::bench
