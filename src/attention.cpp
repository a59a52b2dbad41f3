#include "attention.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

#include "aligned_buffer.hpp"
#include "registry.hpp"
#include "run.hpp"
#include "select.hpp"

namespace attn {
namespace {

const Variant& find_by_name(std::string_view name) {
  if (const Variant* row = find_native(variant_table(), name)) return *row;
  throw std::invalid_argument(fmt::format("variant '{}' is not known or not built for this CPU; valid: {}", name,
                                          fmt::join(variant_names(variant_table()), ", ")));
}

// The problem that the tensors' shapes and the options make.
Problem problem_of(const Tensors& t, const AttentionOptions& options, bool backward) {
  if (options.causal && options.window_right > 0)
    throw std::invalid_argument(fmt::format(
        "window_right={} lets a query see later keys, causal does not; valid: 0, -1", options.window_right));
  return {.batch = t.q.shape[0],
          .heads = t.q.shape[1],
          .kv_heads = t.k.shape[1],
          .seqlen_q = t.q.shape[2],
          .seqlen_k = t.k.shape[2],
          .head_dim = t.q.shape[3],
          .value_dim = t.v.shape[3],
          .window_left = options.window_left,
          .window_right = options.causal ? 0 : options.window_right,
          .dtype = t.q.dtype,
          .lse = !backward && t.lse != nullptr,
          .dropout = options.dropout,
          .backward = backward,
          .softcap = options.softcap,
          .kv = t.k.dtype == kInt8Dtype ? ATTN_KV_INT8 : ATTN_KV_SAME};
}

void run_chosen(const Tensors& tensors, const AttentionOptions& options, bool backward) {
  const Problem problem = problem_of(tensors, options, backward);
  validate(problem);
  validate_threads(options.threads);
  const Variant& variant = options.kernel != nullptr  ? *options.kernel
                           : !options.variant.empty() ? find_by_name(options.variant)
                                                      : select(problem, options.threads);
  const std::size_t needed = workspace_bytes(variant, problem, options.threads);
  AlignedBuffer of_this_call;
  AlignedBuffer& workspace = options.workspace != nullptr ? *options.workspace : of_this_call;
  if (workspace.size() < needed) workspace = AlignedBuffer(needed);
  run(variant, problem, tensors, options.threads, workspace.bytes());
}

// Tensors have one type for what a pass reads and another writes; prepare() hands inputs on as const.
TensorView as_input(const ConstTensorView& t) { return {const_cast<void*>(t.data), t.dtype, t.shape, t.stride}; }

// Of the tokens of k; empty where there are none.
TensorView scale_view(const float* scales, const ConstTensorView& k) {
  if (scales == nullptr) return {};
  return dense_view(const_cast<float*>(scales), {k.shape[0], k.shape[1], k.shape[2], 1});
}

Tensors with_options(const AttentionOptions& options) {
  return {.seed = options.seed, .first_head = options.first_head, .softmax_scale = options.softmax_scale};
}

}  // namespace

void attention(const ConstTensorView& q, const ConstTensorView& k, const ConstTensorView& v, const TensorView& o,
               const AttentionOptions& options) {
  Tensors tensors = with_options(options);
  tensors.q = as_input(q), tensors.k = as_input(k), tensors.v = as_input(v);
  tensors.o = o;
  tensors.lse = options.lse;
  tensors.k_scale = scale_view(options.k_scale, k), tensors.v_scale = scale_view(options.v_scale, k);
  run_chosen(tensors, options, false);
}

void attention_backward(const BackwardTensors& t, const AttentionOptions& options) {
  Tensors tensors = with_options(options);
  tensors.q = as_input(t.q), tensors.k = as_input(t.k), tensors.v = as_input(t.v);
  tensors.o = as_input(t.o), tensors.do_ = as_input(t.do_);
  tensors.lse = const_cast<float*>(t.lse);
  tensors.dq = t.dq, tensors.dk = t.dk, tensors.dv = t.dv;
  tensors.k_scale = scale_view(options.k_scale, t.k), tensors.v_scale = scale_view(options.v_scale, t.k);
  run_chosen(tensors, options, true);
}

}  // namespace attn
