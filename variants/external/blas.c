/* Idea: sgemm, softmax, sgemm: what one writes first with a BLAS at hand. A head's whole score matrix is in memory.
 * Cost: 2 d + 2 dv FLOPs per pair, masked or not: sgemm knows no mask. Workspace: seqlen_q x seqlen_k floats a thread.
 * Numerics: the library's sums; a masked value meets a probability of 0, so that a NaN in it would leak.
 * Limits: dimensions of 32 bits, as CBLAS has; threads share out heads, each with a sgemm of one thread.
 * Source: the definition; OpenBLAS, or whatever CBLAS was found. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "attn_plugin.h"

/* What libraries call the setting of their team, and what else OpenBLAS tells: null where another one is linked. */
#pragma weak openblas_set_num_threads
#pragma weak openblas_get_corename
#pragma weak openblas_get_config
#pragma weak bli_thread_set_num_threads
#pragma weak MKL_Set_Num_Threads
void openblas_set_num_threads(int threads);
char* openblas_get_corename(void);
char* openblas_get_config(void);
void bli_thread_set_num_threads(int64_t threads);
void MKL_Set_Num_Threads(int threads);

static int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* Scores of query i to probabilities; returns the row's log-sum-exp. Query i stands at position i + k - q. */
static float softmax_row(const attn_problem* p, int64_t i, float* row) {
  const int64_t position = i + p->seqlen_k - p->seqlen_q;
  const int64_t begin = p->window_left < 0 ? 0 : clamp(position - p->window_left, 0, p->seqlen_k);
  const int64_t end = p->window_right < 0 ? p->seqlen_k : clamp(position + p->window_right + 1, begin, p->seqlen_k);
  float row_max = -INFINITY, row_sum = 0;
  for (int64_t j = begin; j < end; ++j) row_max = fmaxf(row_max, row[j]);
  for (int64_t j = begin; j < end; ++j) row_sum += row[j] = expf(row[j] - row_max);
  for (int64_t j = begin; j < end; ++j) row[j] /= row_sum;
  memset(row, 0, (size_t)begin * sizeof(float));
  memset(row + end, 0, (size_t)(p->seqlen_k - end) * sizeof(float));
  return begin < end ? row_max + logf(row_sum) : -INFINITY;
}

static const float* head_of(attn_input t, int64_t b, int64_t head) {
  return (const float*)t.data + b * t.batch_stride + head * t.head_stride;
}

static void attend_head(const attn_args* a, int64_t b, int64_t head, float* scores) {
  const attn_problem* p = a->problem;
  const int64_t kv_head = head / (p->heads / p->kv_heads);
  const int q = (int)p->seqlen_q, k = (int)p->seqlen_k, d = (int)p->head_dim, dv = (int)p->value_dim;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, q, k, d, a->softmax_scale, head_of(a->q, b, head),
              (int)a->q.row_stride, head_of(a->k, b, kv_head), (int)a->k.row_stride, 0, scores, k);
  for (int64_t i = 0; i < p->seqlen_q; ++i) {
    const float lse = softmax_row(p, i, scores + i * p->seqlen_k);
    if (a->lse) a->lse[(b * p->heads + head) * p->seqlen_q + i] = lse;
  }
  float* o = (float*)a->o.data + b * a->o.batch_stride + head * a->o.head_stride;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, q, dv, k, 1, scores, k, head_of(a->v, b, kv_head),
              (int)a->v.row_stride, 0, o, (int)a->o.row_stride);
}

static void run(const attn_args* a) {
  const attn_problem* p = a->problem;
#pragma omp parallel for schedule(static) num_threads(a->threads)
  for (int64_t task = 0; task < p->batch * p->heads; ++task) {
    float* scores = (float*)a->workspace + omp_get_thread_num() * p->seqlen_q * p->seqlen_k;
    attend_head(a, task / p->heads, task % p->heads, scores);
  }
}

static size_t workspace_bytes(const attn_problem* p, int32_t threads) {
  return (size_t)threads * (size_t)p->seqlen_q * (size_t)p->seqlen_k * sizeof(float);
}

static const char* limits(const attn_problem* p) {
  const int64_t dims[] = {p->seqlen_q, p->seqlen_k, p->head_dim, p->value_dim};
  for (int i = 0; i < 4; ++i)
    if (dims[i] > INT_MAX) return "CBLAS takes dimensions of 32 bits";
  /* Leaves room for the largest team and the size of a float. */
  return p->seqlen_q > ((int64_t)1 << 48) / p->seqlen_k ? "its score matrix exceeds 64-bit sizes" : 0;
}

/* OpenBLAS chooses its kernels by the CPU when it is loaded: the instruction set of what it chose. Other libraries do
 * not tell; they stand under the baseline. */
static const char* chosen_isa(void) {
  static const struct {
    const char *core, *isa;
  } kCores[] = {{"SkylakeX", "avx512"},  {"Cooperlake", "avx512"}, {"SapphireRapids", "avx512"},
                {"Haswell", "avx2"},     {"Zen", "avx2"},          {"Excavator", "avx2"}};
  for (size_t i = 0; openblas_get_corename && i < sizeof(kCores) / sizeof(kCores[0]); ++i)
    if (strcmp(openblas_get_corename(), kCores[i].core) == 0) return kCores[i].isa;
#ifdef __aarch64__
  return "neon64";
#else
  return "sse2";
#endif
}

/* Threads are ours, one head each: the library shall not start more. */
static void keep_library_single_threaded(void) {
  if (openblas_set_num_threads) openblas_set_num_threads(1);
  if (bli_thread_set_num_threads) bli_thread_set_num_threads(1);
  if (MKL_Set_Num_Threads) MKL_Set_Num_Threads(1);
}

const attn_plugin* attn_plugin_table(void) {
  static attn_variant variant = {
      .struct_size = sizeof(attn_variant),
      .name = "blas",
      .summary = "sgemm, softmax, sgemm of a BLAS; heads over threads",
      .source = "CBLAS",
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_LSE | ATTN_THREADS,
      .error_multiple = 1,
      .limits = limits,
      .workspace_bytes = workspace_bytes,
      .run = run,
  };
  static const attn_variant* const kVariants[] = {&variant};
  static attn_plugin plugin = {.abi = ATTN_PLUGIN_ABI, .count = 1, .variants = kVariants};
  keep_library_single_threaded();
  variant.isa = chosen_isa();
  plugin.version = openblas_get_config ? openblas_get_config() : "a CBLAS that does not tell its version";
  return &plugin;
}
