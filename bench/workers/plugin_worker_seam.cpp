// What the worker of a plugin has in place of layers, built-in variants and peers: none. Layers around a plugin's kernels
// are run by `attnbench worker` (kernels.cpp).
#include <stdexcept>

#include "cases/peers.hpp"
#include "measure/layer_case.hpp"
#include "variant.hpp"

namespace attn {

std::span<const Variant* const> variant_table() noexcept { return {}; }

layers::Gemm layers::default_gemm() { return Gemm::loops; }

namespace bench {

std::vector<KnownPeer> known_peers() { return {}; }

LayerInputs::LayerInputs(const Workload&, std::uint64_t) {
  throw std::invalid_argument("the worker of a plugin has no layers");
}

// Of layers that nobody can make.
Verdict LayerWorkload::check(LayerOutputs&) { return {}; }
LayerCase::LayerCase(const Case& c, LayerWorkload& workload)
    : what_(c.workload), workload_(workload), layer_(c.workload, workload.inputs()), flips_(c.workload.problem) {}
Layer::Layer(const Workload&, const LayerInputs&) {}
void LayerCase::call() { ++calls_; }
void LayerCase::poison() {}
void LayerCase::change_inputs(std::mt19937_64&) { dy_factor_ = 1; }
void LayerCase::restore_inputs() {}
std::vector<std::span<std::byte>> LayerCase::outputs() { return {}; }
std::vector<std::byte> LayerCase::output_bits() { return {}; }
layers::LayerTimes LayerCase::times() const { return {}; }
double LayerCase::over_parts() { return 0; }
std::int64_t layer_bytes(const Workload&) { return 0; }

}  // namespace bench
}  // namespace attn
