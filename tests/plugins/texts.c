/* Plugins whose texts must be refused, or tamed where they are shown: one per value of TEXT, built by tests/CMakeLists.txt. */
#include <math.h>

#include "attn_plugin.h"

#define ESCAPES 0
#define NO_SUMMARY 1
#define EMPTY_SUMMARY 2
#define NO_SOURCE 3
#define NO_MULTIPLE 4
#define NAN_MULTIPLE 5
#define INFINITE_MULTIPLE 6
#define NEGATIVE_MULTIPLE 7
#define ESCAPED_NAME 8
#define ESCAPED_ISA 9
#define LONG_NAME 10

#define TEN(text) text text text text text text text text text text
#define RED "\033[31mred\033[0m \xff\xc2\x9b \a"

/* One head, no mask. */
static void run(const attn_args* a) {
  const attn_problem* p = a->problem;
  for (int64_t i = 0; i < p->seqlen_q; ++i) {
    const float* q = (const float*)a->q.data + i * a->q.row_stride;
    for (int64_t d = 0; d < p->value_dim; ++d) {
      double sum = 0, value = 0;
      for (int64_t j = 0; j < p->seqlen_k; ++j) {
        double score = 0;
        for (int64_t e = 0; e < p->head_dim; ++e) score += q[e] * ((const float*)a->k.data)[j * a->k.row_stride + e];
        const double weight = exp(score * a->softmax_scale);
        sum += weight;
        value += weight * ((const float*)a->v.data)[j * a->v.row_stride + d];
      }
      ((float*)a->o.data)[i * a->o.row_stride + d] = (float)(value / sum);
    }
  }
}

static const char* limits(const attn_problem* p) { return p->seqlen_q > 8 ? "too long: " RED "\nand a second line" : 0; }

static const char* what_ran(const attn_args* a) {
  (void)a;
  return "kernel " RED "\nand a second line" TEN(TEN(" and more"));
}

static const attn_variant kVariant = {
    .struct_size = sizeof(attn_variant),
    .name = TEXT == ESCAPED_NAME ? "naive\033[2J" : TEXT == LONG_NAME ? TEN(TEN("long")) : "texts",
    .isa = TEXT == ESCAPED_ISA ? RED TEN(TEN("avx")) : BASELINE_ISA,
    .summary = TEXT == NO_SUMMARY ? 0 : TEXT == EMPTY_SUMMARY ? "" : "a summary " RED TEN(TEN(" and more")),
    .source = TEXT == NO_SOURCE ? 0 : "a source " RED TEN(TEN(" and more")),
    .error_multiple = TEXT == NO_MULTIPLE         ? 0
                      : TEXT == NAN_MULTIPLE      ? NAN
                      : TEXT == INFINITE_MULTIPLE ? INFINITY
                      : TEXT == NEGATIVE_MULTIPLE ? -1
                                                  : 1,
    .limits = limits,
    .run = run,
    .what_ran = what_ran,
};
static const attn_variant* const kVariants[] = {&kVariant};
static const attn_plugin kPlugin = {ATTN_PLUGIN_ABI, 1, kVariants, "1.0 " RED TEN(TEN(" and more"))};

const attn_plugin* attn_plugin_table(void) { return &kPlugin; }
