// Words of commands that a person pastes into a shell, such as those that reproduce a failure.
#pragma once

#include <string>

namespace attn::bench {

// The text as one word of a POSIX shell, in quotes where it needs them.
std::string shell_word(const std::string& text);

}  // namespace attn::bench
