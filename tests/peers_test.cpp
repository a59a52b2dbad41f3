// Kernels around libraries: what they say of themselves, and that no result is handed over twice.
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aligned_buffer.hpp"
#include "catch.hpp"
#include "check.hpp"
#include "element.hpp"
#include "inputs.hpp"
#include "peers_table.hpp"
#include "run.hpp"
#include "support.hpp"
#include "workers/plugin.hpp"

namespace attn::test {
namespace {

const std::vector<const Variant*>& kernels_of(const bench::Peer& peer) {
  static std::map<std::string, std::vector<bench::Plugin>> loaded;
  auto& plugins = loaded[peer.name];
  if (plugins.empty()) plugins = bench::load_plugins({peer.file}, {});
  return plugins.front().variants;
}

struct Run {
  const Variant& variant;
  Problem p;
  Inputs inputs;
  AlignedBuffer workspace;
  PreparedArgs prepared;

  Run(const Variant& v, std::string_view text, int threads = 1)
      : variant(v),
        p(parse_problem(text)),
        inputs(p, {}, 3),
        workspace(workspace_bytes(v, p, threads)),
        prepared(v, prepare(v, p, inputs.tensors(), threads, workspace.bytes())) {
    prepared.run();
    prepared.finish();
  }

  Verdict verdict() { return check(make_oracle(p, inputs.tensors(), 3), inputs.tensors(), variant.error_multiple); }
};

// Calls f with every kernel of the peers that were built, on the instruction sets that run here. Without any CTest calls
// this test skipped.
template <class F>
void for_each_peer(F&& f) {
  bool is_any = false;
  for (const bench::Peer& peer : bench::kPeers)
    if (*peer.file != '\0')
      for (const Variant* kernel : runnable(kernels_of(peer))) {
        INFO(kernel->name);
        f(*kernel);
        is_any = true;
      }
  if (!is_any) WARN("no peer was built");
}

// Calls f with the problem in every dtype that the kernel computes here.
template <class F>
void for_each_dtype(const Variant& v, const std::string& problem, F&& f) {
  bool is_any = false;
  for (const Element& element : kElements)
    if (const std::string text = problem + "/dtype:" + element.name; why_not(v, parse_problem(text), 2).empty()) {
      INFO(text);
      f(text);
      is_any = true;
    }
  CHECK(is_any);
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
      for (const Variant* kernel : plugins.front().variants)
        CHECK(std::string_view(kernel->name).starts_with(peer.name));
      CHECK_FALSE(plugins.front().version.empty());
    }
}

TEST_CASE("a peer whose finish ran twice hands nothing over the second time", "[peers]") {
  for_each_peer([](const Variant& v) {
    for_each_dtype(v, "h:2/q:65/k:65/d:64/mask:causal", [&](const std::string& problem) {
      Run run(v, problem, 2);
      CHECK(run.verdict().failure == "");
      if (v.finish == nullptr) return;
      run.inputs.poison_outputs();
      run.prepared.finish();
      CHECK_FALSE(run.verdict().passed);
    });
  });
}

TEST_CASE("a peer runs with the arguments it was prepared for, whatever was prepared since", "[peers]") {
  for_each_peer([](const Variant& v) {
    for_each_dtype(v, "h:2/q:65/d:64", [&](const std::string& problem) {
      Run first(v, problem, 1);
      for_each_dtype(v, "h:3/q:20/k:90/d:32", [&](const std::string& other) { Run(v, other, 2); });
      first.inputs.poison_outputs();
      first.prepared.run();
      first.prepared.finish();
      CHECK(first.verdict().failure == "");
    });
  });
}

TEST_CASE("a peer computes the dtypes that it declares, and names one that it does not compute", "[peers]") {
  for_each_peer([](const Variant& v) {
    for (const char* shape : {"b:2/h:3/q:64/d:64", "h:4/hkv:2/q:33/k:70/d:40/mask:causal", "h:2/q:65/d:37/mask:causal",
                              "h:8/hkv:2/q:1/k:600/d:128", "h:3/hkv:1/q:130/k:100/d:64/mask:causal"}) {
      for_each_dtype(v, shape, [&](const std::string& problem) { CHECK(Run(v, problem, 2).verdict().failure == ""); });
      for (const Element& element : kElements) {
        const std::string refused = why_not(v, parse_problem(fmt::format("{}/dtype:{}", shape, element.name)), 2);
        CHECK((refused.empty() || contains(refused, element.name)));
      }
    }
  });
}

TEST_CASE("torch names the kernel that ran, and computes 16 bits in flash alone", "[peers]") {
  for_each_peer([](const Variant& v) {
    if (v.name != std::string("torch")) return;
    for (const char* dtype : {"f32", "bf16", "f16"})
      for (const char* shape :
           {"h:2/q:64/d:64", "h:2/q:64/d:64/mask:causal", "h:4/hkv:2/q:1/k:90/d:37", "h:2/q:60/k:90/d:64/window:20,9"})
        CHECK(Run(v, fmt::format("{}/dtype:{}", shape, dtype)).prepared.what_ran() == "flash");
    CHECK(Run(v, "h:2/q:64/d:64/dv:32").prepared.what_ran() == "math");
    for (const char* dtype : {"bf16", "f16"})
      CHECK(contains(why_not(v, parse_problem(fmt::format("h:2/q:64/d:64/dv:32/dtype:{}", dtype)), 1),
                     "computes 16 bits in f32"));
  });
}

TEST_CASE("oneDNN names what it made of its primitives", "[peers]") {
  for_each_peer([](const Variant& v) {
    if (v.name != std::string("onednn")) return;
    CHECK(contains(Run(v, "h:2/q:64/d:64").prepared.what_ran(), ", "));
  });
}

TEST_CASE("ggml says which tensors of 16 bits it is given in f32", "[peers]") {
  for_each_peer([](const Variant& v) {
    const auto ran = [&](const char* problem) { return Run(v, problem).prepared.what_ran(); };
    if (v.name == std::string("ggml")) {
      CHECK(ran("h:2/q:64/d:64") == "");
      CHECK(ran("h:2/q:64/d:64/dtype:bf16") == "q and o in f32");
    }
    if (v.name == std::string("ggml_f16")) CHECK(ran("h:2/q:64/d:64/dtype:f16") == "q and o in f32");
  });
}

}  // namespace attn::test
