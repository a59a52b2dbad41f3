/* Plugins that must be refused, or caught when they run: one per value of FAULT, built by tests/CMakeLists.txt. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
#define HANGS 14
#define WRITES_PAST_O 15
#define WRITES_FAR_PAST_O 16
#define EXITS 17
#define PRINTS 18
#define CRASHES_ON_LOAD 19
#define CRASHES_LATER 20
#define CANNOT_PREPARE 21
#define OWN_THREADS 22
#define ONE_THREAD_OF_TWO 23
#define WORKS_IN_FINISH 24
#define LOOSE 25

/* One head, no mask. */
__attribute__((unused)) static void right(const attn_args* a, float* o) {
  const attn_problem* p = a->problem;
  for (int64_t i = 0; i < p->seqlen_q; ++i) {
    const float* q = (const float*)a->q.data + i * a->q.row_stride;
    double sum = 0;
    volatile float* row = o + i * a->o.row_stride;
    for (int64_t d = 0; d < p->value_dim; ++d) row[d] = 0;
    for (int64_t j = 0; j < p->seqlen_k; ++j) {
      double score = 0;
      for (int64_t d = 0; d < p->head_dim; ++d) score += q[d] * ((const float*)a->k.data)[j * a->k.row_stride + d];
      sum += exp(score * a->softmax_scale);
    }
    for (int64_t d = 0; d < p->value_dim; ++d) {
      double value = 0;
      for (int64_t j = 0; j < p->seqlen_k; ++j) {
        double score = 0;
        for (int64_t e = 0; e < p->head_dim; ++e) score += q[e] * ((const float*)a->k.data)[j * a->k.row_stride + e];
        value += exp(score * a->softmax_scale) / sum * ((const float*)a->v.data)[j * a->v.row_stride + d];
      }
      row[d] = (float)value;
    }
  }
}

#if FAULT == CRASHES_ON_LOAD
__attribute__((constructor)) static void crash(void) { abort(); }
#endif

#if FAULT == OWN_THREADS
#include <pthread.h>

/* The upper half of the queries, while the caller computes the lower one. */
static void* right_in_a_thread(void* args) {
  const attn_args* a = args;
  right(a, a->o.data);
  return 0;
}

static void right_in_two_threads(const attn_args* a) {
  attn_problem lower = *a->problem, upper = *a->problem;
  attn_args first = *a, second = *a;
  const int64_t half = a->problem->seqlen_q / 2;
  lower.seqlen_q = half;
  upper.seqlen_q -= half;
  first.problem = &lower;
  second.problem = &upper;
  second.q.data = (const float*)a->q.data + half * a->q.row_stride;
  second.o.data = (float*)a->o.data + half * a->o.row_stride;
  pthread_t thread;
  if (pthread_create(&thread, 0, right_in_a_thread, &second) != 0) abort();
  right(&first, first.o.data);
  pthread_join(thread, 0);
}
#endif

static const char* limits(const attn_problem* p) {
  return p->batch * p->heads == 1 ? 0 : "it computes one head";
}

static void* prepare(const attn_args* a) { return FAULT == WORKS_IN_FINISH ? (void*)a : 0; }

__attribute__((unused)) static void finish(const attn_args* a) { right(a, a->o.data); }

static void run(const attn_args* a) {
  float* o = a->o.data;
  (void)o;
#if FAULT == CRASHES
  o = 0;
#endif
#if FAULT == CRASHES_LATER
  static int calls;
  if (++calls > 50) o = 0;
#endif
#if FAULT == HANGS
  for (volatile int forever = 1; forever;) continue;
#endif
#if FAULT == EXITS
  exit(0);
#endif
#if FAULT == WRITES_NAN || FAULT == WRITES_INPUT || FAULT == SKIPS_A_ROW || FAULT == CRASHES
  for (int64_t i = 0; i < (FAULT == SKIPS_A_ROW ? a->problem->seqlen_q - 1 : a->problem->seqlen_q); ++i)
    for (int64_t d = 0; d < a->problem->value_dim; ++d) ((volatile float*)o)[i * a->o.row_stride + d] = NAN;
#elif FAULT == WORKS_IN_FINISH
  attn_problem half = *a->problem;
  attn_args first = *a;
  half.seqlen_q = (half.seqlen_q + 1) / 2;
  first.problem = &half;
  right(&first, o); /* finish does the other half */
#elif FAULT == OWN_THREADS
  right_in_two_threads(a);
#else
  right(a, o); /* up to its fault */
#endif
#if FAULT == PRINTS
  puts("{\"ok\": true} is no answer of the worker's");
  fflush(stdout);
#endif
#if FAULT == WRITES_PAST_O
  ((volatile float*)o)[a->problem->seqlen_q * a->o.row_stride] = 1;
#endif
#if FAULT == WRITES_FAR_PAST_O
  ((volatile float*)o)[a->problem->seqlen_q * a->o.row_stride + 100000] = 1;
#endif
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
    .features = FAULT == ONE_THREAD_OF_TWO ? ATTN_THREADS : 0,
    .error_multiple = FAULT == LOOSE ? 1e6 : 1,
    .limits = limits,
    .run = FAULT == NO_RUN ? 0 : run,
    .prepare = FAULT == CANNOT_PREPARE || FAULT == WORKS_IN_FINISH ? prepare : 0,
    .finish = FAULT == WORKS_IN_FINISH ? finish : 0,
};
static const attn_variant* const kVariants[] = {FAULT == NULL_ENTRY ? 0 : &kFaulty};
static const attn_plugin kPlugin = {.abi = ATTN_PLUGIN_ABI - (FAULT == WRONG_ABI),
                                    .count = FAULT == NO_ENTRIES ? 0 : 1,
                                    .variants = FAULT == NULL_TABLE ? 0 : kVariants};

#if FAULT == NO_SYMBOL
const attn_plugin* another_symbol(void);
const attn_plugin* another_symbol(void) { return &kPlugin; }
#else
const attn_plugin* attn_plugin_table(void) { return &kPlugin; }
#endif
