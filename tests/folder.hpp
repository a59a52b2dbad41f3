// A folder of its own for a test, gone afterwards.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace attn::test {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("attn_test_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

}  // namespace attn::test
