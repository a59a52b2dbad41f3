// What the worker of a plugin has in place of layers, built-in variants and peers: none. Layers around a plugin's kernels
// are run by `attnbench worker` (kernels.cpp).
#include <stdexcept>

#include "cases/peers.hpp"
#include "measure/subject.hpp"
#include "variant.hpp"

namespace attn {

std::span<const Variant* const> variant_table() noexcept { return {}; }

namespace bench {

std::vector<KnownPeer> known_peers() { return {}; }

std::unique_ptr<Subject> make_layer_subject(const Case&, PreparedWorkload&) {
  throw std::invalid_argument("the worker of a plugin has no layers");
}

std::int64_t layer_bytes(const Workload&) { return 0; }

}  // namespace bench
}  // namespace attn
