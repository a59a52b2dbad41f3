// Idea: scaled_dot_product_attention as a user of PyTorch calls it, through libtorch: the library chooses its kernel,
//   which the row names: flash, or math, the whole score matrix. q, k and v are views of where they lie, in their dtype.
// Cost: the library's. is_causal of PyTorch is top-left: where seqlen_q == seqlen_k that is our mask too; elsewhere it
//   gets a mask of seqlen_q x seqlen_k elements of that dtype, made before the timing.
// Numerics: the library's; of 16 bits flash makes scores and sums in f32, and rounds the weights. Each call allocates the
//   output, as it does for its users; copied to o after the timing.
// Limits: no lse, which the call does not return. Of 16 bits nothing that the library gives to math, which converts q, k
//   and v to f32 in each call.
// Source: PyTorch, torch.nn.functional.scaled_dot_product_attention.
#include <ATen/Parallel.h>
#include <ATen/SDPBackend.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_sdp_choice.h>
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

#include "element.hpp"
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

at::ScalarType type_of(const Problem& p) {
  return p.dtype == ATTN_BF16 ? at::kBFloat16 : p.dtype == ATTN_F16 ? at::kHalf : at::kFloat;
}

// A view of a tensor, or part of one, whose strides count elements.
template <class Tensor>
at::Tensor view(const Problem& p, const Tensor& t, const std::array<std::int64_t, 4>& shape) {
  return at::from_blob(const_cast<void*>(static_cast<const void*>(t.data)), shape,
                       {t.batch_stride, t.head_stride, t.row_stride, 1}, type_of(p));
}

bool shares_kv_heads(const Problem& p) { return p.kv_heads < p.heads; }

bool masks_something(const Problem& p) {
  return attn::visible_keys(p, 0).end < p.seqlen_k || attn::visible_keys(p, p.seqlen_q - 1).begin > 0;
}

bool is_top_left_causal(const Problem& p) {
  return p.window_right == 0 && p.seqlen_q == p.seqlen_k && attn::visible_keys(p, p.seqlen_q - 1).begin == 0;
}

// 0 where a query sees a key, -inf elsewhere: what is added to the scores.
at::Tensor additive_mask(const Problem& p) {
  at::Tensor mask = at::empty({p.seqlen_q, p.seqlen_k}, type_of(p));
  attn::with_element(p.dtype, [&]<class E>(E zero) {
    constexpr auto kMasked = attn::round_to<E>(-std::numeric_limits<float>::infinity());
    auto* row = static_cast<E*>(mask.mutable_data_ptr());
    for (std::int64_t i = 0; i < p.seqlen_q; ++i, row += p.seqlen_k) {
      const auto keys = attn::visible_keys(p, i);
      std::fill(row, row + p.seqlen_k, kMasked);
      std::fill(row + keys.begin, row + keys.end, zero);
    }
  });
  return mask;
}

void* prepare(const attn_args* a) try {
  const c10::InferenceMode inference;
  const Problem& p = *a->problem;
  auto call = std::make_unique<Call>(Call{.q = view(p, a->q, attn::shape_q(p)),
                                          .k = view(p, a->k, attn::shape_k(p)),
                                          .v = view(p, a->v, attn::shape_v(p)),
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
  call.output.reset();  // as it is with users, whose last result is gone by then
  call.output = at::scaled_dot_product_attention(call.q, call.k, call.v, call.mask, 0.0, call.is_causal,
                                                 double{a.softmax_scale}, shares_kv_heads(*a.problem));
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
  if (call.output.defined()) view(*a->problem, a->o, attn::shape_o(*a->problem)).copy_(call.output);
  call.output.reset();
} catch (const std::exception&) {
}

void release(void* state) {
  const std::unique_ptr<Call> call(static_cast<Call*>(state));
  at::set_num_threads(call->team_before);
}

const char* what_ran(const attn_args* a) { return static_cast<Call*>(a->state)->kernel.c_str(); }

// Dense and never read: to ask the library what it would do.
at::Tensor shape_alone(const Problem& p, const std::array<std::int64_t, 4>& shape) {
  static float nothing = 0;
  return at::from_blob(&nothing, shape, type_of(p));
}

const char* limits(const Problem* p) try {
  if (p->dtype == ATTN_F32) return nullptr;
  const c10::InferenceMode inference;
  const auto choice =
      at::_fused_sdp_choice(shape_alone(*p, attn::shape_q(*p)), shape_alone(*p, attn::shape_k(*p)),
                            shape_alone(*p, attn::shape_v(*p)), {}, 0.0, false, {}, shares_kv_heads(*p));
  return static_cast<at::SDPBackend>(choice) == at::SDPBackend::math
             ? "PyTorch takes its kernel math for this shape, which computes 16 bits in f32"
             : nullptr;
} catch (const std::exception&) {
  return "PyTorch refuses this shape";
}

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
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS | ATTN_TAKES_F32 |
                  ATTN_TAKES_BF16 | ATTN_TAKES_F16,
      .error_multiple = 1,
      .limits = limits,
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
