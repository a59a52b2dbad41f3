// Fault: query i stands at key i, as PyTorch aligns is_causal.
#include "detail/small_kernel.hpp"

namespace attn::ATTN_ISA {
namespace {

struct Choice : Correct {
  static KeyRange visible(const Problem& p, std::int64_t i) { return visible_keys(p, i + p.seqlen_q - p.seqlen_k); }
};

}  // namespace
}  // namespace attn::ATTN_ISA

ATTN_MUTANT(top_left_causal, "query i stands at key i, as PyTorch aligns is_causal")
