// Regular expressions of users, by RE2: it takes time linear in the text and refuses what is too large or nested too
// deeply, where std::regex runs for ever or out of stack.
#pragma once

#include <re2/re2.h>

#include <string>

namespace attn::bench {

// An expression that came from `option`. Throws UsageError when it is none. To be given to RE2::FullMatch and the like.
class Pattern : public RE2 {
 public:
  Pattern(const std::string& option, const std::string& text);
};

}  // namespace attn::bench
