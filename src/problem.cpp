#include "problem.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "problem_keys.hpp"
#include "roles.hpp"

namespace attn {
namespace {

using Wide = __int128;

// sum over i in [0, n) of clamp(i + shift, 0, limit)
Wide clamped_ramp_sum(Wide n, Wide shift, Wide limit) {
  const auto clamp = [](Wide x, Wide low, Wide high) { return x < low ? low : x > high ? high : x; };
  const Wide ramp_begin = clamp(-shift, 0, n);                // first i with i + shift >= 0
  const Wide ramp_end = clamp(limit - shift, ramp_begin, n);  // first i with i + shift >= limit
  const Wide ramp = ramp_end - ramp_begin;
  return ramp * (ramp_begin + shift) + ramp * (ramp - 1) / 2 + (n - ramp_end) * limit;
}

Wide wide_pairs(const Problem& p) {
  const Wide offset = Wide{p.seqlen_k} - p.seqlen_q;
  const Wide begins = p.window_left < 0 ? 0 : clamped_ramp_sum(p.seqlen_q, offset - p.window_left, p.seqlen_k);
  const Wide ends = p.window_right < 0 ? Wide{p.seqlen_q} * p.seqlen_k
                                       : clamped_ramp_sum(p.seqlen_q, offset + p.window_right + 1, p.seqlen_k);
  return ends - begins;
}

// Products that may exceed 64 bits saturate, so that validate() can compare them.
Wide saturating_product(std::initializer_list<Wide> factors) {
  constexpr Wide kCeiling = Wide{1} << 80;
  Wide product = 1;
  for (const Wide factor : factors) {
    if (factor == 0) return 0;
    product = product > kCeiling / factor ? kCeiling : product * factor;
  }
  return product;
}

Wide wide_flops(const Problem& p) {
  const Wide products = p.backward ? 3 * Wide{p.head_dim} + 2 * Wide{p.value_dim} : Wide{p.head_dim} + p.value_dim;
  return saturating_product({2, p.batch, p.heads, wide_pairs(p), products});
}

Wide wide_bytes(const Problem& p) {
  Wide tensor_bytes = 0;
  for (const TensorRole& role : kTensorRoles) {
    const std::array<std::int64_t, 4> shape = role.shape(p);
    if (role.use(p) != Use::absent)
      tensor_bytes += saturating_product({shape[0], shape[1], shape[2], shape[3], element_of(role.dtype(p)).bytes});
  }
  const bool has_lse = p.lse || p.backward;
  const Wide lse_bytes = has_lse ? saturating_product({p.batch, p.heads, p.seqlen_q, kLseBytes}) : 0;
  return tensor_bytes + lse_bytes;
}

[[noreturn]] void reject(const std::string& message) { throw std::invalid_argument(message); }

}  // namespace

void validate(const Problem& p) {
  if (p.struct_size != sizeof(Problem))
    reject(fmt::format("struct_size={} is not the {} of this build", p.struct_size, sizeof(Problem)));
  for (const ProblemKey& key : problem_keys())
    if (key.validate != nullptr) key.validate(p, key);
  if (p.heads % p.kv_heads != 0) reject(fmt::format("hkv={} does not divide h={}", p.kv_heads, p.heads));
  if (p.backward && p.lse) reject("lse=1 asks for an output, in the backward pass lse is an input; valid: lse=0");
  if (has_int8_kv(p) && p.backward)
    reject("kv:int8 is a cache that is read, and has no backward pass; valid: pass:fwd, or kv:same");
  if (has_int8_kv(p) && p.dropout > 0)
    reject(fmt::format(
        "kv:int8 is a cache that is read, and drops no weights: dropout={}; valid: dropout:0, or kv:same", p.dropout));
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  if (wide_flops(p) > kMax || wide_bytes(p) > kMax)
    reject(fmt::format("b={} h={} q={} k={} d={} dv={}: FLOPs or bytes exceed 64 bits", p.batch, p.heads, p.seqlen_q,
                       p.seqlen_k, p.head_dim, p.value_dim));
}

std::int64_t visible_pairs(const Problem& p) { return static_cast<std::int64_t>(wide_pairs(p)); }

std::int64_t flops(const Problem& p) { return static_cast<std::int64_t>(wide_flops(p)); }

std::int64_t minimal_bytes(const Problem& p) { return static_cast<std::int64_t>(wide_bytes(p)); }

std::int64_t needed_kv_bytes(const Problem& p) {
  const KeyRange keys = needed_keys(p);
  const std::int64_t token = has_int8_kv(p) ? p.head_dim + p.value_dim + 2 * std::int64_t{sizeof(float)}
                                            : (p.head_dim + p.value_dim) * element_bytes(p);
  return p.batch * p.kv_heads * (keys.end - keys.begin) * token;
}

std::uint64_t required_features(const Problem& p) {
  std::uint64_t features = 0;
  for (const ProblemKey& key : problem_keys())
    if (key.feature.bit != 0 && key.feature.needed(p)) features |= key.feature.bit;
  features |= element_of(p.dtype).feature;
  return features;
}

}  // namespace attn
