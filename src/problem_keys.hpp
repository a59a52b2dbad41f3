// The keys of the text form of problems and setups (problem_text.hpp): a row says all that there is to say of a key.
// Parsing, printing, validation, the features that a kernel must declare, their names and the help come from this table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "problem_text.hpp"

namespace attn {

// An attn_feature bit that a problem may need because of this key.
struct KeyFeature {
  std::uint64_t bit;
  const char* name;  // in text
  bool (*needed)(const Problem&);
};

struct ProblemKey {
  const char* name;
  const char* values;  // what may stand behind the colon; null where it is one of `names`
  std::span<const char* const> names;
  const char* default_text;  // "required" where it has none
  const char* help;          // one line
  bool always_printed;       // in the canonical form; other keys only where they differ from their default
  bool of_layers;            // means something to a layer; of the others a layer demands the default
  // The default may follow from keys that stand higher in the table. Null: the key is required.
  void (*set_default)(Workload&);
  // Throws std::invalid_argument naming key, value and what would be valid.
  void (*parse)(Workload&, const ProblemKey&, std::string_view value);
  std::string (*print)(const Workload&);
  // What a problem needs because of the key; those of dtype are its elements' (element.hpp).
  KeyFeature feature = {};
  // Throws like parse, since a problem need not come from text. Null: nothing can be wrong, or the rule is of several keys.
  void (*validate)(const Problem&, const ProblemKey&) = nullptr;
};

// In the order in which they are printed.
std::span<const ProblemKey> problem_keys();

// What may stand behind the colon, for people: N, none|causal.
std::string values_text(const ProblemKey& key);

bool is_default(const ProblemKey& key, const Workload& workload);

}  // namespace attn
