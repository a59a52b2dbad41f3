// A case as compare and explain take it: a variant on the problem that --problem names, by default on the ISA and with the team
// that the options name.
#pragma once

#include <span>
#include <string>

#include "cases/case.hpp"

namespace attn::bench {

inline constexpr const char* kSideForm = "VARIANT[/ISA][/dtype:DTYPE][@THREADS]";

struct SideDefaults {
  std::string isa, threads;
};

// `which`: "A", in messages. Throws UsageError for what is no such text, no case, or several.
Case side_case(const char* which, const std::string& text, const SideDefaults& defaults, const Workload& workload,
               std::span<const Variant* const> table);

}  // namespace attn::bench
