// results/: where commands put what the repository keeps, by machine.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace attn::bench {

// results/<machine> of the source tree, made when it is not there. Throws UsageError in the name of `who` unless this is
// a build of a clean commit, in its checkout: a recorded number must lead back to the code that gave it.
std::string record_folder(std::string_view who);

// The same folder for whoever reads; it need not be there.
std::filesystem::path recorded_runs();

// Today, as in file names: 2026-11-23.
std::string utc_date();

}  // namespace attn::bench
