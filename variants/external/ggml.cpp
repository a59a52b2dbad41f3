// Idea: ggml_flash_attn_ext on ggml's CPU backend, the attention of llama.cpp, with K and V in their dtype. One graph of one
//   node, planned before the timing; k and v, and q in f32, are views of where they lie. The library knows q and o in f32
//   alone: of 16 bits q is widened before the timing and o rounded after it, which the row says.
// Cost: the library's: blocks of keys that a mask hides whole are skipped. A mask is a matrix of seqlen_q x seqlen_k f16,
//   made before the timing. Threads are a pool that polls for a while after a call, then sleeps: the library's default.
// Numerics: the library's, f32 sums but for V in f16 with less than a tile of queries, as in decoding, or a value_dim that
//   fills no vector: there o is summed in f16. Hence f16 has a row of its own, ggml_f16, which is allowed 16 times the error:
//   it takes up to 7 on most inputs of up to 30000 keys. Thousands of equal weights add up to more than f16 can, which
//   fails. The output is [batch, seqlen_q, heads, value_dim]; copied to o after the timing.
// Limits: no lse, which the library keeps to itself; rows and keys are counted in 32 bits.
// Source: ggml, ggml_flash_attn_ext.
#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <vector>

#include "element.hpp"
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
  std::vector<float> q;  // of 16 bits: [batch, heads, seqlen_q, head_dim]
  std::vector<ggml_fp16_t> mask;
  std::vector<float> output;  // [batch, seqlen_q, heads, value_dim]
  std::vector<std::uint8_t> work;
};

ggml_type type_of(std::int32_t dtype) {
  return dtype == ATTN_BF16 ? GGML_TYPE_BF16 : dtype == ATTN_F16 ? GGML_TYPE_F16 : GGML_TYPE_F32;
}

// A view; ggml counts dimensions from the innermost, and strides in bytes.
ggml_tensor* view(ggml_context* context, std::int32_t dtype, const attn_input& t,
                  const std::array<std::int64_t, 4>& shape) {
  ggml_tensor* tensor = ggml_new_tensor_4d(context, type_of(dtype), shape[3], shape[2], shape[1], shape[0]);
  tensor->data = const_cast<void*>(t.data);
  const std::int64_t bytes = attn::element_of(dtype).bytes;
  tensor->nb[1] = static_cast<std::size_t>(t.row_stride * bytes);
  tensor->nb[2] = static_cast<std::size_t>(t.head_stride * bytes);
  tensor->nb[3] = static_cast<std::size_t>(t.batch_stride * bytes);
  return tensor;
}

// q of 16 bits in f32, dense, by the library's conversion.
std::vector<float> widened_q(const attn_args& a) {
  const Problem& p = *a.problem;
  const auto to_float = ggml_get_type_traits(type_of(p.dtype))->to_float;
  std::vector<float> q(static_cast<std::size_t>(p.batch * p.heads * p.seqlen_q * p.head_dim));
  float* row = q.data();
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i, row += p.head_dim)
        to_float(attn::row_of<std::uint16_t>(a.q, b, h, i), row, p.head_dim);
  return q;
}

ggml_tensor* view_of_q(ggml_context* context, const attn_args& a, const std::vector<float>& widened) {
  const Problem& p = *a.problem;
  if (p.dtype == ATTN_F32) return view(context, ATTN_F32, a.q, attn::shape_q(p));
  const std::int64_t head = p.seqlen_q * p.head_dim;
  return view(context, ATTN_F32, {widened.data(), p.heads * head, head, p.head_dim}, attn::shape_q(p));
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
  if (p.dtype != ATTN_F32) call->q = widened_q(*a);
  ggml_tensor* output =
      ggml_flash_attn_ext(context, view_of_q(context, *a, call->q), view(context, p.dtype, a->k, attn::shape_k(p)),
                          view(context, p.dtype, a->v, attn::shape_v(p)), mask, a->softmax_scale,
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
  const auto from_float = ggml_get_type_traits_cpu(type_of(p.dtype))->from_float;
  attn::with_element(p.dtype, [&]<class E>(E) {
    const float* row = call.output.data();
    for (std::int64_t b = 0; b < p.batch; ++b)
      for (std::int64_t i = 0; i < p.seqlen_q; ++i)
        for (std::int64_t h = 0; h < p.heads; ++h, row += p.value_dim)
          from_float(row, attn::row_of<E>(a->o, b, h, i), p.value_dim);
  });
  poison(call.output);
}

void release(void* state) { delete static_cast<Call*>(state); }

const char* what_ran(const attn_args* a) { return a->problem->dtype == ATTN_F32 ? nullptr : "q and o in f32"; }

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

attn_variant variant_of(const char* name, const char* summary, std::uint64_t dtypes, double error_multiple) {
  return {
      .struct_size = sizeof(attn_variant),
      .name = name,
      .isa = compiled_isa(),
      .summary = summary,
      .source = "ggml",
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS | dtypes,
      .error_multiple = error_multiple,
      .limits = limits,
      .run = run,
      .prepare = prepare,
      .finish = finish,
      .release = release,
      .what_ran = what_ran,
  };
}

}  // namespace

const attn_plugin* attn_plugin_table() {
  static const attn_variant variant =
      variant_of("ggml", "ggml_flash_attn_ext of ggml's CPU backend", ATTN_TAKES_F32 | ATTN_TAKES_BF16, 1);
  static const attn_variant in_f16 =
      variant_of("ggml_f16", "the same with K and V in f16, and sums in f16 for few queries", ATTN_TAKES_F16, 16);
  static const attn_variant* const variants[] = {&variant, &in_f16};
  static const attn_plugin plugin{.abi = ATTN_PLUGIN_ABI, .count = 2, .variants = variants, .version = ggml_version()};
  return &plugin;
}
