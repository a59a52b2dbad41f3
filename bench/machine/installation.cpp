#include "machine/installation.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

fs::path sweeps_below(const fs::path& prefix) { return prefix / "share" / "attnbench" / "sweeps"; }

}  // namespace

std::optional<fs::path> installation() {
  std::error_code error;
  const fs::path prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  if (error || !fs::is_directory(sweeps_below(prefix), error)) return std::nullopt;
  return prefix;
}

fs::path sweep_folder() {
  const std::optional<fs::path> prefix = installation();
  return prefix ? sweeps_below(*prefix) : fs::path(ATTN_SWEEP_DIR);
}

fs::path source_tree() { return fs::path(ATTN_SWEEP_DIR).parent_path().parent_path(); }

}  // namespace attn::bench
