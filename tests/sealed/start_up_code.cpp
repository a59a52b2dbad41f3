// Must be refused: initialises itself when the program starts, before anyone asked which ISA runs.
#include <cmath>

namespace attn::test {
namespace {

volatile float seed = 2;

}  // namespace
extern const float row;
const float row = std::exp(seed);
}  // namespace attn::test
