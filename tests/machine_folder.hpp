// A folder that looks like /proc and /sys of a machine.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "folder.hpp"
#include "machine/system.hpp"

namespace attn::test {

class MachineFolder {
 public:
  explicit MachineFolder(const std::string& name = "machine") : root_(folder_.path / name) {}
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ / path.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  bench::System system() const { return {root_.string()}; }

 private:
  Folder folder_;
  std::filesystem::path root_;
};

}  // namespace attn::test
