// Words of commands that a person pastes into a shell, such as those that reproduce a failure.
#pragma once

#include <string>

namespace attn::bench {

// The text as one word of a shell, in quotes where it needs them: those of POSIX, or $'...' (bash, zsh, ksh) for control
// characters and bytes that are not UTF-8, so that the word can be printed as it is.
std::string shell_word(const std::string& text);

}  // namespace attn::bench
