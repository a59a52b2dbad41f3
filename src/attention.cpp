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

}  // namespace

void attention(const TensorView& q, const TensorView& k, const TensorView& v, const TensorView& o,
               const AttentionOptions& options) {
  if (options.causal && options.window_right > 0)
    throw std::invalid_argument(fmt::format(
        "window_right={} lets a query see later keys, causal does not; valid: 0, -1", options.window_right));
  const Problem problem{.batch = q.shape[0],
                        .heads = q.shape[1],
                        .kv_heads = k.shape[1],
                        .seqlen_q = q.shape[2],
                        .seqlen_k = k.shape[2],
                        .head_dim = q.shape[3],
                        .value_dim = v.shape[3],
                        .window_left = options.window_left,
                        .window_right = options.causal ? 0 : options.window_right,
                        .dtype = ATTN_F32,
                        .lse = options.lse != nullptr};
  validate(problem);
  validate_threads(options.threads);
  const Variant& variant = options.variant.empty() ? select(problem, options.threads) : find_by_name(options.variant);
  const AlignedBuffer workspace(workspace_bytes(variant, problem, options.threads));
  run(variant, problem, {q, k, v, o, options.lse}, options.threads, workspace.bytes());
}

}  // namespace attn
