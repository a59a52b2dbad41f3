#include "peers.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "peers_table.hpp"

namespace attn::bench {
namespace {

namespace fs = std::filesystem;

// Where `cmake --install` puts plugins, seen from the program.
fs::path installed_file(const std::string& name) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "lib" / "attnbench" / (name + ".so");
}

}  // namespace

std::vector<KnownPeer> known_peers() {
  std::vector<KnownPeer> peers;
  for (const Peer& peer : kPeers) {
    std::error_code error;
    const fs::path installed = installed_file(peer.name);
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

}  // namespace attn::bench
