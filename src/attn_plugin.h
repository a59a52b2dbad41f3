/* What a kernel is, as plain C: the struct behind every variant, built-in or loaded from outside.
 *
 * Unstable until the planned features are in. Structs only ever grow at their end; `struct_size` tells how much of
 * a struct the other side knows. A kernel that does not declare a feature bit is never given a
 * problem that needs it (default-deny), so an appended problem field cannot make an old kernel lie.
 *
 * Tensors are in logical order [batch, head, row, dim] whatever their memory layout; strides count elements and the
 * stride of dim is 1; that of a size of 1 means nothing. Masks, empty rows and NaN are told in src/reference.hpp. */
#ifndef ATTN_PLUGIN_H
#define ATTN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/* Of q, k, v, o and their gradients, but for what attn_kv says of k and v; lse is f32 whatever they are. */
enum attn_dtype { ATTN_F32 = 0, ATTN_BF16 = 1, ATTN_F16 = 2 };

/* What k and v consist of: elements of the problem's dtype, or int8_t from -127 to 127 that a scale of each token and kv
 * head multiplies (src/quantisation.hpp). */
enum attn_kv { ATTN_KV_SAME = 0, ATTN_KV_INT8 = 1 };

/* What a kernel can do beyond full f32 attention with equal dims, one kv head per query head, on one thread. */
enum attn_feature {
  ATTN_CAUSAL = 1 << 0,     /* window_right 0, window_left -1 */
  ATTN_WINDOW = 1 << 1,     /* any window_left and window_right */
  ATTN_GQA = 1 << 2,        /* kv_heads < heads */
  ATTN_DV_DIFFERS = 1 << 3, /* value_dim != head_dim */
  ATTN_LSE = 1 << 4,        /* writes the log-sum-exp of every row when asked */
  ATTN_THREADS = 1 << 5,    /* uses more than one thread when given them */
  ATTN_DROPOUT = 1 << 6,    /* drops weights by the formula of src/dropout.hpp */
  ATTN_BACKWARD = 1 << 7,   /* computes the backward pass, and only that: one row does one pass */
  ATTN_TAKES_F32 = 1 << 8,  /* the dtypes that it computes; one that names none computes ATTN_F32 alone */
  ATTN_TAKES_BF16 = 1 << 9,
  ATTN_TAKES_F16 = 1 << 10,
  ATTN_SOFTCAP = 1 << 11,      /* scores are softcap tanh(softmax_scale q.k / softcap) */
  ATTN_TAKES_KV_INT8 = 1 << 12 /* k and v may be ATTN_KV_INT8 */
};

/* What is computed. Every field is set; defaults belong to the text form (src/problem_text.hpp). */
typedef struct attn_problem {
#if defined(__cplusplus)
  uint32_t struct_size = sizeof(attn_problem);
#else
  uint32_t struct_size; /* sizeof(attn_problem) as its maker was compiled: fields beyond it are not there */
#endif
  int64_t batch, heads, kv_heads;
  int64_t seqlen_q, seqlen_k;
  int64_t head_dim;     /* of q and k */
  int64_t value_dim;    /* of v and o */
  int64_t window_left;  /* keys before a query's own position that it sees; -1: all */
  int64_t window_right; /* keys after it; -1: all, 0: causal */
  int32_t dtype;        /* attn_dtype */
  int32_t lse;          /* 1: lse is an output too; 0 in the backward pass, where it is always an input */
  double dropout;       /* probability with which a weight is dropped, in [0, 1); 0: none */
  int32_t backward;     /* 1: dq, dk and dv from q, k, v, o, lse and do_; 0: o from q, k and v */
  double softcap;       /* what the absolute value of a score stays below; 0: no limit */
  int32_t kv;           /* attn_kv; ATTN_KV_INT8 neither in the backward pass nor with dropout */
#if defined(__cplusplus) && __cplusplus >= 202002L
  friend bool operator==(const attn_problem&, const attn_problem&) = default;
#endif
} attn_problem;

typedef struct attn_input {
  const void* data;
  int64_t batch_stride, head_stride, row_stride;
} attn_input;

typedef struct attn_output {
  void* data;
  int64_t batch_stride, head_stride, row_stride;
} attn_output;

typedef struct attn_args {
  uint32_t struct_size;
  int32_t threads; /* team size; 1 unless the kernel declares ATTN_THREADS */
  const attn_problem* problem;
  float softmax_scale; /* scores are softmax_scale * q.k, perhaps capped */
  attn_input q;        /* [batch, heads, seqlen_q, head_dim] */
  attn_input k;        /* [batch, kv_heads, seqlen_k, head_dim]; query head h reads kv head h / (heads / kv_heads) */
  attn_input v;        /* [batch, kv_heads, seqlen_k, value_dim] */
  attn_output o;       /* [batch, heads, seqlen_q, value_dim]; aliases no input; an input in the backward pass */
  float* lse;          /* [batch, heads, seqlen_q] contiguous; null unless problem->lse or problem->backward */
  void* workspace;     /* workspace_bytes(problem, threads) bytes, 64-byte aligned, contents undefined */
  void* state;         /* what the kernel's prepare returned for these arguments; null without prepare */
  uint64_t seed;       /* key of the dropout mask; of no meaning unless problem->dropout > 0 */
  int64_t first_head;  /* number that the mask gives to query head 0: a call may do some heads of a layer */
  /* The backward pass; null data in the forward pass. */
  attn_input do_; /* [batch, heads, seqlen_q, value_dim]: gradient of a loss with respect to o */
  attn_output dq; /* shaped as q; aliases no input, as the next two */
  attn_output dk; /* shaped as k: summed over the query heads that read a kv head */
  attn_output dv; /* shaped as v */
  /* [batch, kv_heads, seqlen_k] contiguous, positive and finite: what multiplies the elements of a row of k, and of v; null
   * unless problem->kv is ATTN_KV_INT8. */
  const float* k_scale;
  const float* v_scale;
} attn_args;

typedef struct attn_variant {
  uint32_t struct_size;  /* sizeof(attn_variant) as the kernel was compiled */
  const char* name;      /* technique, [a-z0-9_]+ */
  const char* isa;       /* a name of src/isa.hpp */
  const char* summary;   /* one line, not empty; more than 200 bytes are cut, as of every text that is shown */
  const char* source;    /* where the idea comes from; not empty */
  uint64_t features;     /* attn_feature bits */
  double error_multiple; /* 1, or more for a kernel that trades accuracy by design */
  /* Null when the kernel can compute the problem, else why not (static storage). May be null: no limits. */
  const char* (*limits)(const attn_problem* problem);
  /* Bytes of scratch for a call. May be null: none. */
  size_t (*workspace_bytes)(const attn_problem* problem, int32_t threads);
  /* Writes all of o (and lse), backward all of dq, dk and dv, never an input; allocates nothing, throws nothing, prints
   * nothing. */
  void (*run)(const attn_args* args);

  /* For kernels around libraries with tensors and plans of their own; null elsewhere. None of them is timed as the
   * kernel: rows show prepare and finish as figures of their own. They may allocate.
   *
   * Called before the first run, and again when the tensors have changed in place: makes the library's plans, converts q,
   * k and v to its layout, sets its team to args->threads. What it returns is args->state from then on; null: it failed. */
  void* (*prepare)(const attn_args* args);
  /* Called after the last of one or more runs: converts what that run computed into o and lse, and poisons or drops its
   * own copy, so that no result is ever handed over twice. Null: run writes o itself. */
  void (*finish)(const attn_args* args);
  /* Frees what prepare returned. Null: nothing to free. */
  void (*release)(void* state);
  /* What inside the library ran, for the row's label: a few words in storage that lasts as long as the state. May be
   * null, and return null. Asked after a run. */
  const char* (*what_ran)(const attn_args* args);
} attn_variant;

/* Changes when a struct above changes other than at its end. */
#define ATTN_PLUGIN_ABI 2

/* What a plugin, a shared library loaded with `attnbench run --plugin FILE`, hands over. variants/external/plain_c.c is
 * a whole one. */
typedef struct attn_plugin {
  uint32_t abi;                        /* ATTN_PLUGIN_ABI as the plugin was compiled; stays the first field for ever */
  uint32_t count;                      /* of variants */
  const attn_variant* const* variants; /* valid as long as the plugin is loaded */
  const char* version;                 /* of the library behind the kernels, for the result file; may be null */
} attn_plugin;

/* The one symbol that a plugin exports, under this name and with C linkage. Called once, before anything else. */
#ifdef __cplusplus
extern "C"
#endif
    const attn_plugin*
    attn_plugin_table(void);

#endif
