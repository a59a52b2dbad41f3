// The registry: which kernels there are, and who can run a problem here, and why not.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa.hpp"
#include "problem.hpp"
#include "variant.hpp"

namespace attn {

// Names of the feature bits, for lists and messages ("causal, gqa").
std::string feature_names(std::uint64_t features);

// What a kernel declares, with the dtype that it takes where it names none.
std::uint64_t declared_features(const Variant& variant);

// Empty when this kernel can compute the problem on this machine with this team; else the reason, one line.
// Feature bits unknown to this build are ignored in a kernel and never needed by a problem.
std::string why_not(const Variant& variant, const Problem& problem, int threads);

// Whether that reason, or one of several, is that the kernel declares less than the problem and the team need.
bool lacks_features(const Variant& variant, const Problem& problem, int threads);

// The ISA of a row. Throws std::logic_error for a name that src/isa.hpp does not know.
Isa isa_of(const Variant& variant);

// Rows of a table whose ISA runs on this CPU.
std::vector<const Variant*> runnable(std::span<const Variant* const> table);

// The row of this name for this ISA, or null.
const Variant* find(std::span<const Variant* const> table, std::string_view name, Isa isa);

// The row of this name for the highest ISA that runs here, or null.
const Variant* find_native(std::span<const Variant* const> table, std::string_view name);

// The native row of every name, in the table's order of names; names without one are left out.
std::vector<const Variant*> native_rows(std::span<const Variant* const> table);

// The rows of one ISA.
std::vector<const Variant*> rows_of(std::span<const Variant* const> table, Isa isa);

// Names in the table, each once, in the table's order.
std::vector<std::string> variant_names(std::span<const Variant* const> table);

}  // namespace attn
