#include "machine/system.hpp"

#include <fstream>

namespace attn::bench {

std::string System::first_line(const std::string& path) const {
  std::ifstream file(root + path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace attn::bench
