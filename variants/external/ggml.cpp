// Idea: ggml_flash_attn_ext on ggml's CPU backend, the attention of llama.cpp, with K and V in f32. One graph of one node,
//   planned before the timing; q, k and v are views of where they lie.
// Cost: the library's: blocks of keys that a mask hides whole are skipped. A mask is a matrix of seqlen_q x seqlen_k f16,
//   made before the timing. Threads are a pool that polls for a while after a call, then sleeps: the library's default.
// Numerics: the library's, f32 sums. Its output is [batch, seqlen_q, heads, value_dim]; copied to o after the timing.
// Limits: no lse, which the library keeps to itself; rows and keys are counted in 32 bits.
// Source: ggml, ggml_flash_attn_ext.
#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <vector>

#include "problem.hpp"
#include "tensor.hpp"

namespace {

using attn::Problem;

struct Free {
  void operator()(ggml_context* context) const { ggml_free(context); }
  void operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
};

// One pool for all calls of one team size, however many are prepared at once.
std::shared_ptr<ggml_threadpool> pool_of(int threads) {
  static std::weak_ptr<ggml_threadpool> last;
  static int threads_of_last = 0;
  auto pool = last.lock();
  if (pool == nullptr || threads_of_last != threads) {
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    pool = std::shared_ptr<ggml_threadpool>(ggml_threadpool_new(&params), Free{});
    last = pool;
    threads_of_last = threads;
  }
  return pool;
}

struct Call {
  std::unique_ptr<ggml_context, Free> context;  // of the descriptions; data lies elsewhere
  std::shared_ptr<ggml_threadpool> pool;
  ggml_cgraph* graph = nullptr;
  ggml_cplan plan{};
  std::vector<ggml_fp16_t> mask;
  std::vector<float> output;  // [batch, seqlen_q, heads, value_dim]
  std::vector<std::uint8_t> work;
};

// A view; ggml counts dimensions from the innermost, and strides in bytes.
ggml_tensor* view(ggml_context* context, const attn_input& t, std::int64_t batch, std::int64_t heads, std::int64_t rows,
                  std::int64_t dim) {
  ggml_tensor* tensor = ggml_new_tensor_4d(context, GGML_TYPE_F32, dim, rows, heads, batch);
  tensor->data = const_cast<void*>(t.data);
  tensor->nb[1] = static_cast<std::size_t>(t.row_stride) * sizeof(float);
  tensor->nb[2] = static_cast<std::size_t>(t.head_stride) * sizeof(float);
  tensor->nb[3] = static_cast<std::size_t>(t.batch_stride) * sizeof(float);
  return tensor;
}

bool masks_something(const Problem& p) {
  return attn::visible_keys(p, 0).end < p.seqlen_k || attn::visible_keys(p, p.seqlen_q - 1).begin > 0;
}

// 0 where a query sees a key, -inf elsewhere: what is added to the scores.
std::vector<ggml_fp16_t> additive_mask(const Problem& p) {
  const ggml_fp16_t visible = ggml_fp32_to_fp16(0), masked = ggml_fp32_to_fp16(-std::numeric_limits<float>::infinity());
  std::vector<ggml_fp16_t> mask(static_cast<std::size_t>(p.seqlen_q * p.seqlen_k), masked);
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    const auto keys = attn::visible_keys(p, i);
    ggml_fp16_t* row = mask.data() + i * p.seqlen_k;
    std::fill(row + keys.begin, row + keys.end, visible);
  }
  return mask;
}

// What no call has computed is NaN, so that nobody takes it for a result.
void poison(std::vector<float>& output) {
  std::fill(output.begin(), output.end(), std::numeric_limits<float>::quiet_NaN());
}

void* prepare(const attn_args* a) try {
  const Problem& p = *a->problem;
  if (a->threads > GGML_MAX_N_THREADS) return nullptr;
  ggml_cpu_init();
  auto call = std::make_unique<Call>();
  constexpr int kTensors = 5;
  call->context.reset(ggml_init({.mem_size = kTensors * ggml_tensor_overhead() + ggml_graph_overhead(),
                                 .mem_buffer = nullptr,
                                 .no_alloc = true}));
  ggml_context* context = call->context.get();
  if (context == nullptr) return nullptr;

  ggml_tensor* mask = nullptr;
  if (masks_something(p)) {
    call->mask = additive_mask(p);
    mask = ggml_new_tensor_2d(context, GGML_TYPE_F16, p.seqlen_k, p.seqlen_q);
    mask->data = call->mask.data();
  }
  ggml_tensor* output =
      ggml_flash_attn_ext(context, view(context, a->q, p.batch, p.heads, p.seqlen_q, p.head_dim),
                          view(context, a->k, p.batch, p.kv_heads, p.seqlen_k, p.head_dim),
                          view(context, a->v, p.batch, p.kv_heads, p.seqlen_k, p.value_dim), mask, a->softmax_scale,
                          /*max_bias=*/0, /*logit_softcap=*/0);
  call->output.resize(static_cast<std::size_t>(p.batch * p.seqlen_q * p.heads * p.value_dim));
  poison(call->output);
  output->data = call->output.data();

  call->graph = ggml_new_graph(context);
  ggml_build_forward_expand(call->graph, output);
  call->pool = pool_of(a->threads);
  if (call->pool == nullptr) return nullptr;
  call->plan = ggml_graph_plan(call->graph, a->threads, call->pool.get());
  call->work.resize(call->plan.work_size);
  call->plan.work_data = call->work.data();
  return call.release();
} catch (const std::exception&) {
  return nullptr;
}

void run(const attn_args* a) {
  auto& call = *static_cast<Call*>(a->state);
  if (ggml_graph_compute(call.graph, &call.plan) != GGML_STATUS_SUCCESS) poison(call.output);
}

void finish(const attn_args* a) {
  auto& call = *static_cast<Call*>(a->state);
  const Problem& p = *a->problem;
  const float* row = call.output.data();
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t i = 0; i < p.seqlen_q; ++i)
      for (std::int64_t h = 0; h < p.heads; ++h, row += p.value_dim)
        std::copy_n(row, p.value_dim, attn::row_of<float>(a->o, b, h, i));
  poison(call.output);
}

void release(void* state) { delete static_cast<Call*>(state); }

const char* limits(const Problem* p) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (1.0 * p->batch * p->heads * p->seqlen_q > kMost) return "ggml counts rows of all heads in 32 bits";
  if (std::max({p->seqlen_k, p->head_dim, p->value_dim}) > kMost) return "ggml takes dimensions of 32 bits";
  return nullptr;
}

// What the library was compiled for.
const char* compiled_isa() {
#ifdef __aarch64__
  return "neon64";
#else
  return ggml_cpu_has_avx512() ? "avx512" : ggml_cpu_has_avx2() && ggml_cpu_has_fma() ? "avx2" : "sse2";
#endif
}

}  // namespace

const attn_plugin* attn_plugin_table() {
  static const attn_variant variant{
      .struct_size = sizeof(attn_variant),
      .name = "ggml",
      .isa = compiled_isa(),
      .summary = "ggml_flash_attn_ext of ggml's CPU backend",
      .source = "ggml",
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS,
      .error_multiple = 1,
      .limits = limits,
      .run = run,
      .prepare = prepare,
      .finish = finish,
      .release = release,
  };
  static const attn_variant* const variants[] = {&variant};
  static const attn_plugin plugin{.abi = ATTN_PLUGIN_ABI, .count = 1, .variants = variants, .version = ggml_version()};
  return &plugin;
}
