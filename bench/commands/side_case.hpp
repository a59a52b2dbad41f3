// A case as compare and explain take it: a variant on the problem that --problem names, by default on the ISA and with the team
// that the options name.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "cases/case.hpp"

namespace attn::bench {

inline constexpr const char* kSideForm = "VARIANT[/ISA][/dtype:DTYPE][@THREADS]";

struct SideOptions {
  std::string problem, isa = "native", threads = "1";

  // Throws UsageError.
  Workload workload() const;
};
// --problem, --isa and --threads.
void add_side_options(CLI::App& command, SideOptions& options);

// `which`: "A", in messages. Throws UsageError for what is no such text, no case, or several.
Case side_case(const char* which, const std::string& text, const SideOptions& options,
               std::span<const Variant* const> table);

}  // namespace attn::bench
