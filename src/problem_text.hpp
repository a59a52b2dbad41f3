// The one text form of problems and setups, used on the command line, in sweep files, row names and errors:
//   b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:causal/lse:1
// Keys come in any order; what each means, takes and is by default says src/problem_keys.cpp. Printed canonically: the
// first nine always, in that order, the others only where they differ from their default.
// fill:file stands for tensors that are given beside the text.
#pragma once

#include <string>
#include <string_view>

#include "inputs.hpp"
#include "problem.hpp"

namespace attn {

// An attention layer (src/layers) around the problem, which is then its core: d_model features a token, of which every
// query head has head_dim. single: one head and no output projection. The setup is then the default.
//   layer:single|per_head|fused   pass:both: forward and backward in one call   dmodel:N: of layer:single, default d
enum class LayerForm : std::int32_t { none, single, per_head, fused };
inline constexpr std::array kLayerNames = {"none", "single", "per_head", "fused"};

struct LayerSpec {
  LayerForm form = LayerForm::none;
  bool both = false;  // problem.backward is set too
  std::int64_t d_model = 0;
  bool operator==(const LayerSpec&) const = default;
};

// What a user writes after --problem: a problem, the setup that feeds it, and perhaps a layer around it.
struct Workload {
  Problem problem{};
  Setup setup{};
  LayerSpec layer{};
  bool is_layer() const { return layer.form != LayerForm::none; }
  bool operator==(const Workload&) const = default;
};

// The problem that the core variant of a workload's row computes: of a layer that is run in both passes the forward one.
Problem core_problem(const Workload& workload);

// Exact FLOPs of a call: of a problem, or of a layer with its projections (forward 2 per weight and token, backward 4).
std::int64_t flops(const Workload& workload);

// Both throw std::invalid_argument naming the key, the value and what would be valid. The result is validated.
Workload parse_workload(std::string_view text);
Problem parse_problem(std::string_view text);  // setup keys are refused

std::string to_string(const Problem& problem);
std::string to_string(const Workload& workload);

// The same with every default left out, for tables that a person reads: h:12/q:1024/d:64.
std::string to_short_string(const Workload& workload);

}  // namespace attn
