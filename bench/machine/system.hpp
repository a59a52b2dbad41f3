// System: the folders /proc and /sys, or a folder of a test that looks like them.
#pragma once

#include <string>

namespace attn::bench {

struct System {
  std::string root = "";                                  // stands before every path
  std::string first_line(const std::string& path) const;  // empty where there is no such file
};

}  // namespace attn::bench
