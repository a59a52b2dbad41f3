// Plugins: kernels of somebody else in shared libraries that export the C table of src/attn_plugin.h. They are loaded by
// workers only (kernels.hpp), and are there refused, checked and timed like any other variant.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "variant.hpp"
#include "workers/bindings.hpp"

namespace attn::bench {

struct Plugin {
  std::string path;                      // absolute
  std::string version;                   // of the library behind it, empty when it does not tell
  std::vector<const Variant*> variants;  // complete structs, whatever revision of the ABI the library was built with
  void* library;                         // of dlopen
  Bindings bindings;
};

// Loads the libraries, which stay loaded. Throws UsageError naming file, entry and rule when one cannot be loaded, speaks
// another ABI version, has no entries or an entry that is not a kernel, or names a kernel that `table` or a plugin before
// it already has.
std::vector<Plugin> load_plugins(const std::vector<std::string>& files, std::span<const Variant* const> table);

}  // namespace attn::bench
