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
          .dtype = ATTN_F32,
          .lse = !backward && t.lse != nullptr,
          .dropout = options.dropout,
          .backward = backward};
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

}  // namespace

void attention(const TensorView& q, const TensorView& k, const TensorView& v, const TensorView& o,
               const AttentionOptions& options) {
  run_chosen({q, k, v, o, options.lse, options.seed, options.first_head}, options, false);
}

void attention_backward(const Tensors& tensors, const AttentionOptions& options) {
  Tensors seeded = tensors;
  seeded.seed = options.seed;
  seeded.first_head = options.first_head;
  run_chosen(seeded, options, true);
}

}  // namespace attn
