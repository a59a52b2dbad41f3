// The one text form of problems and setups, used on the command line, in sweep files, row names and errors:
//   b:1/h:12/hkv:12/q:1024/k:1024/d:64/dv:64/dtype:f32/mask:causal[/window:L,R][/lse:1][/dropout:P]
//   [/pass:bwd][/fill:F][/layout:L][/cache:C]
// Keys come in any order; h, q and d are required; defaults b:1 hkv:h k:q dv:d dtype:f32 mask:none. Printed
// canonically: the first nine always, in that order, the others only where they differ from their default.
// fill:file stands for tensors that are given beside the text.
#pragma once

#include <string>
#include <string_view>

#include "inputs.hpp"
#include "problem.hpp"

namespace attn {

// What a user writes after --problem: a problem and the setup that feeds it.
struct Workload {
  Problem problem{};
  Setup setup{};
  bool operator==(const Workload&) const = default;
};

// Both throw std::invalid_argument naming the key, the value and what would be valid. The result is validated.
Workload parse_workload(std::string_view text);
Problem parse_problem(std::string_view text);  // setup keys are refused

std::string to_string(const Problem& problem);
std::string to_string(const Workload& workload);

// The same with every default left out, for tables that a person reads: h:12/q:1024/d:64.
std::string to_short_string(const Workload& workload);

}  // namespace attn
