/* Plugins that must be refused, or caught when they run: one per value of FAULT, built by tests/CMakeLists.txt. */
#include <math.h>

#include "attn_plugin.h"

#define WRONG_ABI 0
#define NO_ENTRIES 1
#define NULL_TABLE 2
#define NULL_ENTRY 3
#define SHORT_STRUCT 4
#define BAD_NAME 5
#define TAKEN_NAME 6
#define UNKNOWN_ISA 7
#define NO_RUN 8
#define NO_SYMBOL 9
#define WRITES_NAN 10
#define WRITES_INPUT 11
#define SKIPS_A_ROW 12
#define CRASHES 13

static void run(const attn_args* a) {
  float* o = a->o.data;
#if FAULT == CRASHES
  o = 0;
#endif
  for (int64_t i = 0; i < (FAULT == SKIPS_A_ROW ? a->problem->seqlen_q - 1 : a->problem->seqlen_q); ++i)
    for (int64_t d = 0; d < a->problem->value_dim; ++d) ((volatile float*)o)[i * a->o.row_stride + d] = NAN;
#if FAULT == WRITES_INPUT
  *(float*)a->k.data = 1;
#endif
}

static const attn_variant kFaulty = {
    .struct_size = FAULT == SHORT_STRUCT ? 40 : sizeof(attn_variant),
    .name = FAULT == BAD_NAME ? "Bad/Name" : FAULT == TAKEN_NAME ? "naive" : "faulty",
    .isa = FAULT == UNKNOWN_ISA ? "avx1024" : BASELINE_ISA,
    .summary = "a plugin that must be caught",
    .source = "none",
    .error_multiple = 1,
    .run = FAULT == NO_RUN ? 0 : run,
};
static const attn_variant* const kVariants[] = {FAULT == NULL_ENTRY ? 0 : &kFaulty};
static const attn_plugin kPlugin = {.abi = ATTN_PLUGIN_ABI + (FAULT == WRONG_ABI),
                                    .count = FAULT == NO_ENTRIES ? 0 : 1,
                                    .variants = FAULT == NULL_TABLE ? 0 : kVariants};

#if FAULT == NO_SYMBOL
const attn_plugin* another_symbol(void);
const attn_plugin* another_symbol(void) { return &kPlugin; }
#else
const attn_plugin* attn_plugin_table(void) { return &kPlugin; }
#endif
