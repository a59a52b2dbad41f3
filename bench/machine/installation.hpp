// Where the program was installed, if it was: prefix/bin/attnbench with what belongs to it beside, which may be moved as a
// whole. A program in its build tree has no installation, and finds its files in the source tree.
#pragma once

#include <filesystem>
#include <optional>

namespace attn::bench {

// The prefix; nothing for a program in its build tree.
std::optional<std::filesystem::path> installation();

// The folder of the built-in sweeps: of the installation, else of the source tree.
std::filesystem::path sweep_folder();

// Of which the program was built; it may be gone since.
std::filesystem::path source_tree();

}  // namespace attn::bench
