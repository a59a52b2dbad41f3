#include "cases/peers.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/errors.hpp"
#include "machine/installation.hpp"
#include "peers_table.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

// Where `cmake --install` puts plugins and what runs them; empty for a program in its build tree.
fs::path installed_file(const std::string& name) {
  const std::optional<fs::path> prefix = installation();
  return prefix ? *prefix / "lib" / "attnbench" / name : fs::path();
}

}  // namespace

std::vector<KnownPeer> known_peers() {
  std::vector<KnownPeer> peers;
  for (const Peer& peer : kPeers) {
    std::error_code error;
    const fs::path installed = installed_file(std::string(peer.name) + ".so");
    if (fs::is_regular_file(installed, error))
      peers.push_back({peer.name, installed.string(), ""});
    else if (fs::is_regular_file(peer.file, error))
      peers.push_back({peer.name, peer.file, ""});
    else if (*peer.file != '\0')
      peers.push_back({peer.name, "", fmt::format("{} was built and is gone; build again", peer.file)});
    else
      peers.push_back({peer.name, "", peer.remedy});
  }
  return peers;
}

std::string plugin_worker() {
  constexpr const char* kName = "attnbench_plugin_worker";
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / kName;
  for (const fs::path& file : {installed_file(kName), beside, fs::path(kPluginWorker)})
    if (fs::is_regular_file(file, error)) return file.string();
  throw UsageError(
      fmt::format("plugins and peers need {}, which is not there; build the target {}", kPluginWorker, kName));
}

}  // namespace attn::bench
