// The keys of a result file's context that are ours or Google Benchmark's: what a user adds may not stand for them.
#pragma once

#include <string>
#include <string_view>

namespace attn::bench {

bool is_reserved_context_key(std::string_view key);

// All of them, for messages; families with a star: "seed, ..., fma_peak_*".
std::string reserved_context_keys();

}  // namespace attn::bench
