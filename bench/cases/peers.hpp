// Peers: other people's libraries, whose attention is measured beside ours. Each is a plugin (variants/external), built
// where its library was found.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace attn::bench {

struct KnownPeer {
  std::string name;
  std::string file;    // the plugin: of the installation that this program belongs to, else of its build; empty: absent
  std::string remedy;  // why it is absent and how to get it
};

// All of them, in the order of variants/external.
std::vector<KnownPeer> known_peers();

// The program that runs a plugin by itself (plugin_worker.cpp): of the installation that this program belongs to, beside
// it, or of its build. Throws UsageError when it is nowhere.
std::string plugin_worker();

// Who was asked for by --peers and --plugin, as if --variants had named them.
struct Guests {
  std::set<std::string> present;              // variants
  std::map<std::string, std::string> absent;  // peers that cannot be measured here, and why
};

}  // namespace attn::bench
