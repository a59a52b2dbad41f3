// A row whose fields are given by -D: one that leaves out what the suite judges it by must not compile.
#include <cmath>

#include "variant.hpp"

namespace attn::ATTN_ISA {
[[maybe_unused]] static void kernel(const Args*) {}
}  // namespace attn::ATTN_ISA

#ifndef SUMMARY
#define SUMMARY .summary = "what it is",
#endif
#ifndef SOURCE
#define SOURCE .source = "a paper",
#endif
#ifndef MULTIPLE
#define MULTIPLE .error_multiple = 1,
#endif
#ifndef RUN
#define RUN .run = &kernel
#endif
#ifndef SYMBOL
#define SYMBOL row
#endif
#define ATTN_ROW(symbol, ...) ATTN_VARIANT(symbol, __VA_ARGS__)
ATTN_ROW(SYMBOL, SUMMARY SOURCE MULTIPLE RUN)
