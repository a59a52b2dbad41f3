/* A whole plugin in plain C: three loops, every feature, one thread. Copy it, put your kernel into its place, build it
 * as a shared library and hand it to the suite:
 *
 *   cc -O3 -shared -fPIC -I src my_kernel.c -o libmine.so -lm
 *   build/bench/attnbench run --plugin ./libmine.so --problem h:8/q:512/d:64 --variants 'plain_c|flash'
 *
 * It is checked against the fp64 oracle before and after it is timed, like any variant. */
#include <math.h>

#include "attn_plugin.h"

static int64_t at_least_0(int64_t x) { return x > 0 ? x : 0; }
static int64_t at_most(int64_t x, int64_t bound) { return x < bound ? x : bound; }

static const float* input_row(attn_input t, int64_t b, int64_t head, int64_t row) {
  return (const float*)t.data + b * t.batch_stride + head * t.head_stride + row * t.row_stride;
}

/* Query i stands at position i + seqlen_k - seqlen_q among the keys and sees [begin, end). */
static void visible_keys(const attn_problem* p, int64_t i, int64_t* begin, int64_t* end) {
  const int64_t position = i + p->seqlen_k - p->seqlen_q;
  *begin = p->window_left < 0 ? 0 : at_most(at_least_0(position - p->window_left), p->seqlen_k);
  *end = p->window_right < 0 ? p->seqlen_k : at_most(at_least_0(position + p->window_right + 1), p->seqlen_k);
}

/* One row of o; returns its log-sum-exp. A row that sees no key, or scores of -inf alone, is zeros and -inf. */
static float attend(const attn_args* a, int64_t b, int64_t head, int64_t i, float* probs, float* o) {
  const attn_problem* p = a->problem;
  const int64_t kv_head = head / (p->heads / p->kv_heads);
  const float* q = input_row(a->q, b, head, i);
  int64_t begin, end;
  visible_keys(p, i, &begin, &end);

  float row_max = -INFINITY, row_sum = 0;
  for (int64_t j = begin; j < end; ++j) {
    const float* k = input_row(a->k, b, kv_head, j);
    float score = 0;
    for (int64_t d = 0; d < p->head_dim; ++d) score += q[d] * k[d];
    probs[j] = score * a->softmax_scale;
    row_max = fmaxf(row_max, probs[j]);
  }
  const float shift = row_max == -INFINITY ? 0 : row_max; /* -inf - -inf is NaN */
  for (int64_t j = begin; j < end; ++j) row_sum += probs[j] = expf(probs[j] - shift);
  const float divisor = row_sum == 0 ? 1 : row_sum;
  for (int64_t d = 0; d < p->value_dim; ++d) o[d] = 0;
  for (int64_t j = begin; j < end; ++j) {
    const float* v = input_row(a->v, b, kv_head, j);
    for (int64_t d = 0; d < p->value_dim; ++d) o[d] += probs[j] / divisor * v[d];
  }
  return row_max + logf(row_sum);
}

static void run(const attn_args* a) {
  const attn_problem* p = a->problem;
  for (int64_t b = 0; b < p->batch; ++b)
    for (int64_t head = 0; head < p->heads; ++head)
      for (int64_t i = 0; i < p->seqlen_q; ++i) {
        float* o = (float*)a->o.data + b * a->o.batch_stride + head * a->o.head_stride + i * a->o.row_stride;
        const float lse = attend(a, b, head, i, a->workspace, o);
        if (a->lse) a->lse[(b * p->heads + head) * p->seqlen_q + i] = lse;
      }
}

static size_t workspace_bytes(const attn_problem* p, int32_t threads) {
  return (size_t)threads * (size_t)p->seqlen_k * sizeof(float);
}

static const attn_variant kPlainC = {
    .struct_size = sizeof(attn_variant),
    .name = "plain_c",
/* What it was compiled for: it is listed under this name and measured against this instruction set's ceiling. */
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
    .isa = "avx512",
#elif defined(__AVX2__) && defined(__FMA__)
    .isa = "avx2",
#elif defined(__aarch64__)
    .isa = "neon64",
#else
    .isa = "sse2",
#endif
    .summary = "three loops in plain C: the example of a plugin",
    .source = "the definition",
    .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE,
    .error_multiple = 1,
    .limits = 0,
    .workspace_bytes = workspace_bytes,
    .run = run,
};

const attn_plugin* attn_plugin_table(void) {
  static const attn_variant* const kVariants[] = {&kPlainC};
  static const attn_plugin kPlugin = {.abi = ATTN_PLUGIN_ABI, .count = 1, .variants = kVariants, .version = 0};
  return &kPlugin;
}
