// Must be accepted: one row, libm and nothing else.
#include <cmath>

namespace attn::test {
namespace {

float run(float x) { return std::exp(x); }

}  // namespace
extern float (*const row)(float);
float (*const row)(float) = run;
}  // namespace attn::test
