// Must be refused: calls a function that no kernel may call.
#include <cstdlib>

namespace attn::test {
namespace {

const char* run() { return std::getenv("HOME"); }

}  // namespace
extern const char* (*const row)();
const char* (*const row)() = run;
}  // namespace attn::test
