// Kernels around libraries: what they say of themselves, and that no result is handed over twice.
#include <map>
#include <string>
#include <vector>

#include "aligned_buffer.hpp"
#include "catch.hpp"
#include "check.hpp"
#include "inputs.hpp"
#include "peers_table.hpp"
#include "run.hpp"
#include "support.hpp"
#include "workers/plugin.hpp"

namespace attn::test {
namespace {

const Variant* kernel_of(const bench::Peer& peer) {
  static std::map<std::string, std::vector<bench::Plugin>> loaded;
  auto& plugins = loaded[peer.name];
  if (plugins.empty()) plugins = bench::load_plugins({peer.file}, {});
  return plugins.front().variants.front();
}

struct Run {
  Problem p;
  Inputs inputs;
  AlignedBuffer workspace;
  PreparedArgs prepared;

  Run(const Variant& v, std::string_view text, int threads = 1)
      : p(parse_problem(text)),
        inputs(p, {}, 3),
        workspace(workspace_bytes(v, p, threads)),
        prepared(v, prepare(v, p, inputs.tensors(), threads, workspace.bytes())) {
    prepared.run();
    prepared.finish();
  }

  Verdict verdict() { return check(make_oracle(p, inputs.tensors(), 3), inputs.tensors(), 1); }
};

// Calls f with every peer that was built. Without any CTest calls this test skipped.
template <class F>
void for_each_peer(F&& f) {
  bool is_any = false;
  for (const bench::Peer& peer : bench::kPeers)
    if (*peer.file != '\0') {
      INFO(peer.name);
      f(*kernel_of(peer));
      is_any = true;
    }
  if (!is_any) WARN("no peer was built");
}

}  // namespace

TEST_CASE("a peer is built, or says why not and what to do", "[known_peers]") {
  for (const bench::Peer& peer : bench::kPeers) {
    INFO(peer.name);
    CHECK((*peer.file == '\0') != (*peer.remedy == '\0'));
  }
}

TEST_CASE("a peer bears its own name, and the version of its library", "[peers]") {
  for (const bench::Peer& peer : bench::kPeers)
    if (*peer.file != '\0') {
      const auto plugins = bench::load_plugins({peer.file}, {});
      CHECK(plugins.front().variants.front()->name == std::string(peer.name));
      CHECK_FALSE(plugins.front().version.empty());
    }
}

TEST_CASE("a peer whose finish ran twice hands nothing over the second time", "[peers]") {
  for_each_peer([](const Variant& v) {
    Run run(v, "h:2/q:65/k:65/d:64/mask:causal", 2);
    CHECK(run.verdict().failure == "");
    if (v.finish == nullptr) return;
    run.inputs.poison_outputs();
    run.prepared.finish();
    CHECK_FALSE(run.verdict().passed);
  });
}

TEST_CASE("a peer runs with the arguments it was prepared for, whatever was prepared since", "[peers]") {
  for_each_peer([](const Variant& v) {
    Run first(v, "h:2/q:65/d:64", 1);
    const Run second(v, "h:3/q:20/k:90/d:32", 2);
    first.inputs.poison_outputs();
    first.prepared.run();
    first.prepared.finish();
    CHECK(first.verdict().failure == "");
  });
}

TEST_CASE("torch names the kernel that ran", "[peers]") {
  for_each_peer([](const Variant& v) {
    if (v.name != std::string("torch")) return;
    CHECK(Run(v, "h:2/q:64/d:64").prepared.what_ran() == "flash");
    CHECK(Run(v, "h:2/q:64/d:64/mask:causal").prepared.what_ran() == "flash");
    CHECK(Run(v, "h:2/q:64/d:64/dv:32").prepared.what_ran() == "math");
  });
}

}  // namespace attn::test
