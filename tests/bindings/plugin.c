/* A plugin on own_gemm.c, whose sgemm_ it calls DIRECTly or not: with it o = v, which is right for a single key. */
#include "attn_plugin.h"

#ifdef DIRECT
void sgemm_(float* result);
static float call_own_gemm(void) {
  float result = 0;
  sgemm_(&result);
  return result;
}
#else
float call_own_gemm(void);
#endif

static void run(const attn_args* a) {
  const float factor = call_own_gemm();
  for (int64_t d = 0; d < a->problem->value_dim; ++d) ((float*)a->o.data)[d] = factor * ((const float*)a->v.data)[d];
}

static const char* limits(const attn_problem* p) {
  return p->heads * p->batch * p->seqlen_q * p->seqlen_k == 1 ? 0 : "it knows one head, one query and one key";
}

const attn_plugin* attn_plugin_table(void) {
  static const attn_variant kVariant = {.struct_size = sizeof(attn_variant),
                                        .name = "bound",
                                        .isa = BASELINE_ISA,
                                        .summary = "calls a product",
                                        .source = "none",
                                        .features = ATTN_DV_DIFFERS | ATTN_THREADS,
                                        .error_multiple = 1,
                                        .limits = limits,
                                        .run = run};
  static const attn_variant* const kVariants[] = {&kVariant};
  static const attn_plugin kPlugin = {.abi = ATTN_PLUGIN_ABI, .count = 1, .variants = kVariants, .version = "1"};
  return &kPlugin;
}
