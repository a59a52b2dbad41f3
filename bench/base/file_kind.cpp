#include "base/file_kind.hpp"

#include <filesystem>

namespace attn::bench {

std::string file_kind(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  switch (fs::status(path, error).type()) {
    case fs::file_type::regular:
      return "a regular file";
    case fs::file_type::directory:
      return "a folder";
    case fs::file_type::fifo:
      return "a pipe";
    case fs::file_type::character:
      return "a character device";
    case fs::file_type::block:
      return "a block device";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::not_found:
      return "no such file";
    default:
      break;
  }
  return error ? error.message() : "of no known kind";
}

}  // namespace attn::bench
