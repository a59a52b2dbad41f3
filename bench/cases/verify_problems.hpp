// The small problems that `verify` checks when none is named, and that `run` checks before it times a kernel for the first
// time (first_contact.hpp): every mask, both directions of seqlen_q != seqlen_k, grouped heads, batches, odd sizes, long
// contexts, every fill and layout, dropout, the backward pass, layers; those of attention alone in every dtype,
// and with keys and values of int8.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "problem_text.hpp"

namespace attn::bench {

inline constexpr std::array kVerifyProblems = {
    "h:2/q:128/d:64/lse:1",
    "b:2/h:3/q:197/d:64/layout:packed",
    "h:2/q:130/d:80/mask:causal/lse:1/layout:bshd",
    "h:4/hkv:2/q:65/k:257/d:128/mask:causal",
    "h:4/hkv:1/q:257/k:65/d:96/mask:causal/lse:1",
    "h:2/q:200/d:64/mask:causal/window:31,0/fill:ascending",
    "h:2/q:77/k:150/d:33/dv:17/window:20,9/lse:1/fill:descending",
    "h:2/q:96/d:192/dv:128/mask:causal/fill:peaked",
    "h:2/q:63/d:256/fill:uniform",
    "h:8/hkv:2/q:1/k:1000/d:128/lse:1",
    "h:4/hkv:1/q:2/k:3000/d:40/mask:causal/lse:1/fill:peaked",
    "h:2/q:150/k:400/d:48/fill:ascending",
    "h:2/q:300/d:64/lse:1/fill:needle",
    "h:4/hkv:2/q:40/k:1000/d:40/mask:causal/lse:1/fill:needle",
    "h:2/q:60/d:40/lse:1/fill:integers",
    "h:1/q:1/d:1",
    "h:3/q:17/k:3/d:3/mask:causal/lse:1",
    "b:2/h:4/hkv:2/q:100/k:131/d:40/mask:causal/lse:1/dropout:0.2",
    "h:4/hkv:2/q:80/k:131/d:40/mask:causal/lse:1/softcap:20",
    "h:2/q:90/d:64/mask:causal/softcap:3/pass:bwd",
    "h:2/q:200/d:64/pass:bwd",
    "b:2/h:6/hkv:2/q:97/k:203/d:48/dv:33/mask:causal/dropout:0.1/pass:bwd/layout:bshd",
    "h:3/q:260/d:80/window:40,7/pass:bwd/layout:packed/fill:peaked",
    "h:2/q:150/d:64/mask:causal/pass:bwd/fill:needle",
    "h:4/hkv:2/q:90/d:16/mask:causal/dropout:0.1/pass:both/layer:fused",
    "b:2/h:3/q:50/k:70/d:16/layer:per_head",
    "h:1/q:60/d:24/dmodel:72/pass:bwd/layer:single",
};

// Whether it can have keys and values of int8, too.
inline bool may_have_int8_kv(const Workload& w) {
  return !w.is_layer() && !w.problem.backward && w.problem.dropout == 0 && w.setup.layout != Layout::packed;
}

// The same texts, and again for each dtype that they do not name, and in each with int8.
inline std::vector<std::string> verify_problems_of_all_elements() {
  std::vector<std::string> texts(kVerifyProblems.begin(), kVerifyProblems.end());
  for (const Element& element : kElements)
    for (const char* text : kVerifyProblems)
      if (element.dtype != ATTN_F32 && !parse_workload(text).is_layer())
        texts.push_back(std::string(text) + "/dtype:" + element.name);
  for (const Element& element : kElements)
    for (const char* text : kVerifyProblems)
      if (may_have_int8_kv(parse_workload(text))) texts.push_back(std::string(text) + "/kv:int8/dtype:" + element.name);
  return texts;
}

}  // namespace attn::bench
