// Rows of a table as a worker tells of them in its hello: they can only be run where they live.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "variant.hpp"

namespace attn::bench {

class ToldVariants {
 public:
  // Of an array of the hello ("variants"); the rows stay where they are as long as this does. Throws Json::exception
  // where it is none.
  std::vector<const Variant*> add(const Json& variants);

 private:
  const char* keep(const Json& text) { return texts_.emplace_back(text.get<std::string>()).c_str(); }

  std::deque<std::string> texts_;  // behind the rows
  std::deque<Variant> rows_;
};

}  // namespace attn::bench
