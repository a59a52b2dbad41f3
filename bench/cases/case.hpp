// Case: variant x ISA x problem x setup x threads, its name, and the selection of cases from a command line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.hpp"
#include "cases/peers.hpp"
#include "isa.hpp"
#include "problem_text.hpp"
#include "select.hpp"
#include "variant.hpp"

namespace attn::bench {

struct Case {
  const Variant* variant;
  Workload workload;
  int threads;
  std::string model = {};  // whose attention it is, where a sweep says so
};

// attention/<variant>/<isa>/<problem>[/<setup>]/threads:N, or layer/<form>/<variant>/<isa>/<problem>/threads:N
std::string case_name(const Case& c);

// What a name says, without a table to look the variant up in.
struct CaseName {
  std::string variant, isa;
  Workload workload;
  int threads;
};

std::string case_name(const CaseName& name);

// Reads a row name back, with whatever Google Benchmark appended (/real_time, /repeats:3, _median, ...).
// Throws std::invalid_argument naming the part that does not fit.
CaseName parse_case_name(std::string_view name);

// The command that checks the case alone, but for its inputs and plugins: InputOrigin and Kernels have their arguments.
std::string verify_command(const Case& c);

// flash/avx512 h:12/q:197/d:64, for people; a text that is no row name stays as it is.
std::string short_name(const CaseName& name);
std::string short_name(const std::string& name);

// A case that was asked for and is not run.
struct Skipped {
  std::string name;
  Reason reason;
  std::string text;
};

struct Selection {
  std::string variants = ".*";  // comma-separated regular expressions; the word `best`
  std::string isa = "native";   // native, all, or a comma-separated list
  std::string threads = "1";    // comma-separated list
  Choices choices = {};         // what `best` knows beyond the compiled-in policy
  Guests guests = {};           // those who are absent become skipped cases where an expression names them
};

// The lists of --threads and --isa. Throw UsageError for what is no team size, an unknown or an absent ISA. `native` and
// `all` name no ISA: what they mean depends on what was built.
std::vector<int> parse_team_sizes(const std::string& list);
std::vector<Isa> parse_isa_list(const std::string& list);

struct Cases {
  std::vector<Case> run;
  std::vector<Skipped> skipped;
};

// Every case of the selection for these workloads, each once, workload by workload. Throws UsageError for an expression
// that matches no variant, an unknown or absent ISA, a bad thread count.
Cases select_cases(const Selection& selection, const std::vector<Workload>& workloads,
                   std::span<const Variant* const> table);

}  // namespace attn::bench
