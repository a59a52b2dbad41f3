// Idea: scaled_dot_product_attention as a user of PyTorch calls it, through libtorch: the library chooses its kernel,
//   which the row names: flash, or math, the whole score matrix. q, k and v are views of where they lie.
// Cost: the library's. is_causal of PyTorch is top-left: where seqlen_q == seqlen_k that is our mask too; elsewhere it
//   gets a mask of seqlen_q x seqlen_k floats, made before the timing.
// Numerics: the library's. Each call allocates the output, as it does for its users; copied to o after the timing.
// Limits: no lse, which the call does not return.
// Source: PyTorch, torch.nn.functional.scaled_dot_product_attention.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "problem.hpp"
#include "tensor.hpp"

namespace {

using attn::Problem;

struct Call {
  at::Tensor q, k, v;
  std::optional<at::Tensor> mask;
  bool is_causal;
  at::Tensor output;
  std::string kernel;  // that ran, seen in the first run
  int team_before;     // of this thread, for the library and for OpenMP
};

// A view of a tensor, or part of one, whose strides count elements.
template <class Tensor>
at::Tensor view(const Tensor& t, const std::array<std::int64_t, 4>& shape) {
  return at::from_blob(const_cast<void*>(static_cast<const void*>(t.data)), shape,
                       {t.batch_stride, t.head_stride, t.row_stride, 1}, at::kFloat);
}

bool masks_something(const Problem& p) {
  return attn::visible_keys(p, 0).end < p.seqlen_k || attn::visible_keys(p, p.seqlen_q - 1).begin > 0;
}

bool is_top_left_causal(const Problem& p) {
  return p.window_right == 0 && p.seqlen_q == p.seqlen_k && attn::visible_keys(p, p.seqlen_q - 1).begin == 0;
}

// 0 where a query sees a key, -inf elsewhere: what is added to the scores.
at::Tensor additive_mask(const Problem& p) {
  at::Tensor mask = at::empty({p.seqlen_q, p.seqlen_k}, at::kFloat);
  for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
    float* row = mask.mutable_data_ptr<float>() + i * p.seqlen_k;
    const auto keys = attn::visible_keys(p, i);
    std::fill(row, row + p.seqlen_k, -std::numeric_limits<float>::infinity());
    std::fill(row + keys.begin, row + keys.end, 0.0F);
  }
  return mask;
}

void* prepare(const attn_args* a) try {
  const c10::InferenceMode inference;
  const Problem& p = *a->problem;
  auto call = std::make_unique<Call>(Call{.q = view(a->q, attn::shape_q(p)),
                                          .k = view(a->k, attn::shape_k(p)),
                                          .v = view(a->v, attn::shape_v(p)),
                                          .is_causal = masks_something(p) && is_top_left_causal(p),
                                          .team_before = at::get_num_threads()});
  if (masks_something(p) && !call->is_causal) call->mask = additive_mask(p);
  at::set_num_threads(a->threads);
  return call.release();
} catch (const std::exception&) {
  return nullptr;
}

// What the dispatcher calls for the thread's observed call; callbacks carry no data of their own.
thread_local std::string* observed_kernel = nullptr;

std::unique_ptr<at::ObserverContext> note_kernel(const at::RecordFunction& function) {
  constexpr std::string_view kPrefix = "aten::_scaled_dot_product_";
  const std::string_view name = function.name();
  if (observed_kernel == nullptr || name.substr(0, kPrefix.size()) != kPrefix) return nullptr;
  const std::string_view kernel = name.substr(kPrefix.size());
  *observed_kernel = kernel == "flash_attention_for_cpu" ? std::string_view("flash")
                     : kernel == "attention_math"        ? std::string_view("math")
                                                         : kernel;
  return nullptr;
}

class Observation {
 public:
  explicit Observation(std::string& kernel)
      : handle_(
            at::addThreadLocalCallback(at::RecordFunctionCallback(note_kernel).scopes({at::RecordScope::FUNCTION}))) {
    observed_kernel = &kernel;
  }
  ~Observation() {
    at::removeCallback(handle_);
    observed_kernel = nullptr;
  }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

 private:
  at::CallbackHandle handle_;
};

void attend(Call& call, const attn_args& a) {
  const Problem& p = *a.problem;
  call.output.reset();  // as it is with users, whose last result is gone by then
  call.output = at::scaled_dot_product_attention(call.q, call.k, call.v, call.mask, 0.0, call.is_causal,
                                                 double{a.softmax_scale}, p.kv_heads < p.heads);
}

// A call that throws leaves no output, and o stays as it was: the check says so.
void run(const attn_args* a) try {
  const c10::InferenceMode inference;
  auto& call = *static_cast<Call*>(a->state);
  if (at::get_num_threads() != a->threads) at::set_num_threads(a->threads);  // another call was prepared since
  std::optional<Observation> observation;
  if (call.kernel.empty()) observation.emplace(call.kernel);
  attend(call, *a);
} catch (const std::exception&) {
}

void finish(const attn_args* a) try {
  const c10::InferenceMode inference;
  auto& call = *static_cast<Call*>(a->state);
  if (call.output.defined()) view(a->o, attn::shape_o(*a->problem)).copy_(call.output);
  call.output.reset();
} catch (const std::exception&) {
}

void release(void* state) {
  const std::unique_ptr<Call> call(static_cast<Call*>(state));
  at::set_num_threads(call->team_before);
}

const char* what_ran(const attn_args* a) { return static_cast<Call*>(a->state)->kernel.c_str(); }

// The level of the library's own kernels; its BLAS chooses by itself.
const char* chosen_isa() {
#ifdef __aarch64__
  return "neon64";
#else
  const std::string capability = at::get_cpu_capability();
  return capability.starts_with("AVX512") ? "avx512" : capability == "AVX2" ? "avx2" : "sse2";
#endif
}

}  // namespace

const attn_plugin* attn_plugin_table() {
  static const attn_variant variant{
      .struct_size = sizeof(attn_variant),
      .name = "torch",
      .isa = chosen_isa(),
      .summary = "scaled_dot_product_attention of PyTorch",
      .source = "PyTorch",
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS,
      .error_multiple = 1,
      .run = run,
      .prepare = prepare,
      .finish = finish,
      .release = release,
      .what_ran = what_ran,
  };
  static const attn_variant* const variants[] = {&variant};
  static const attn_plugin plugin{.abi = ATTN_PLUGIN_ABI, .count = 1, .variants = variants, .version = TORCH_VERSION};
  return &plugin;
}
