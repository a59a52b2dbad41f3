// Idea: matmul, softmax, matmul of oneDNN over all heads at once: what its primitives offer without a fused kernel. K
//   and V are described by strides where they lie, so that nothing is converted; masked scores become -inf in between.
// Cost: 2 d + 2 dv FLOPs per pair, masked or not: matmul knows no mask. Workspace: heads x seqlen_q x seqlen_k floats, and
//   of 16 bits as many probabilities.
// Numerics: the library's sums and exp; of 16 bits scores are f32 and probabilities rounded once, by softmax. A masked
//   value meets a probability of 0, so that a NaN in it would leak.
// Limits: no lse, which softmax keeps to itself. Rows that see no key never reach the library, whose softmax makes NaN
//   of them. 16 bits where the library has primitives for them: oneDNN 2 has them for bf16, from AVX-512 on.
// Source: oneDNN, primitives matmul and softmax.
#include <omp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "element.hpp"
#include "problem.hpp"
#include "tensor.hpp"

namespace {

using attn::Problem;
using dnnl::memory;

// The library takes its team from OpenMP, when a primitive is made and when it runs.
class Team {
 public:
  explicit Team(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~Team() { omp_set_num_threads(before_); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

 private:
  int before_;
};

// A primitive and the memory that it runs on, its scratch included.
struct Step {
  dnnl::primitive primitive;
  std::unordered_map<int, memory> memories;
};

// The scores are [batch, kv_heads, group, rows, seqlen_k]. Query heads that share a kv head are a dimension along which
// K and V, of size 1 there, are repeated; when each has one query only, they are the rows of one matrix instead.
struct Plan {
  std::int64_t group, rows;
  std::int64_t first_query;  // queries before it see no key
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::vector<Step> steps;  // scores, softmax, output; none when no query sees a key
  std::string what_ran;     // the library's names of what it made of them, each once
};

std::int64_t first_query_with_keys(const Problem& p) {
  std::int64_t i = 0;
  for (; i < p.seqlen_q; ++i)
    if (const auto keys = attn::visible_keys(p, i); keys.begin < keys.end) break;
  return i;
}

// Of the score matrix, all heads of it.
std::int64_t pairs(const Problem& p) { return p.batch * p.heads * p.seqlen_q * p.seqlen_k; }

// Where the probabilities lie behind the scores; those of f32 in their place. Aligned as the workspace is.
std::int64_t probs_offset(const Problem& p) {
  constexpr std::int64_t kAlignment = 64, kPerLine = kAlignment / sizeof(float);
  return p.dtype == ATTN_F32 ? 0 : (pairs(p) + kPerLine - 1) / kPerLine * kAlignment;
}

bool masks_something(const Problem& p) { return p.window_left >= 0 || p.window_right >= 0; }

memory::data_type type_of(std::int32_t dtype) {
  return dtype == ATTN_BF16  ? memory::data_type::bf16
         : dtype == ATTN_F16 ? memory::data_type::f16
                             : memory::data_type::f32;
}

// Of q or o, from the plan's first query on.
template <class Tensor>
memory::desc query_desc(const Problem& p, const Plan& plan, const Tensor& t, std::int64_t dim) {
  const std::int64_t heads_per_kv = p.heads / p.kv_heads;
  return {
      {p.batch, p.kv_heads, plan.group, plan.rows, dim},
      type_of(p.dtype),
      {t.batch_stride, t.head_stride * heads_per_kv, t.head_stride, p.seqlen_q == 1 ? t.head_stride : t.row_stride, 1}};
}

dnnl::primitive_attr attributes(float scale) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (scale != 1) attr.set_output_scales(0, {scale});
  return attr;
}

// `probs` of f32 are `scores`, in place.
dnnl::softmax_v2_forward::primitive_desc softmax_desc(const memory::desc& scores, const memory::desc& probs,
                                                      const dnnl::engine& engine) {
  return {dnnl::softmax_v2_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::softmax_accurate, scores,
                                         probs, scores.dims().size() - 1),
          attributes(1), engine};
}

template <class PrimitiveDesc>
void add_step(Plan& plan, const PrimitiveDesc& desc, std::unordered_map<int, memory> memories) {
  memories.emplace(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), plan.engine));
  if (const std::string name = desc.impl_info_str(); plan.what_ran.find(name) == std::string::npos)
    plan.what_ran += (plan.what_ran.empty() ? "" : ", ") + name;
  plan.steps.push_back({dnnl::primitive(desc), std::move(memories)});
}

void add_steps(Plan& plan, const attn_args& a) {
  const Problem& p = *a.problem;
  const auto& engine = plan.engine;
  const auto q = query_desc(p, plan, a.q, p.head_dim), o = query_desc(p, plan, a.o, p.value_dim);
  const memory::desc k({p.batch, p.kv_heads, 1, p.head_dim, p.seqlen_k}, type_of(p.dtype),
                       {a.k.batch_stride, a.k.head_stride, a.k.head_stride, 1, a.k.row_stride});
  const memory::desc v({p.batch, p.kv_heads, 1, p.seqlen_k, p.value_dim}, type_of(p.dtype),
                       {a.v.batch_stride, a.v.head_stride, a.v.head_stride, a.v.row_stride, 1});
  const memory::dims matrix = {p.batch, p.kv_heads, plan.group, plan.rows, p.seqlen_k};
  const memory::desc s(matrix, memory::data_type::f32, memory::format_tag::abcde);
  const memory::desc w(matrix, type_of(p.dtype), memory::format_tag::abcde);

  // The library's handles know no const; it reads its sources only.
  const auto at = [&](const memory::desc& desc, const void* data, std::int64_t offset_bytes) {
    return memory(desc, engine, const_cast<std::byte*>(static_cast<const std::byte*>(data) + offset_bytes));
  };
  const std::int64_t first_bytes = plan.first_query * attn::element_of(p.dtype).bytes;
  const memory q_memory = at(q, a.q.data, a.q.row_stride * first_bytes), k_memory = at(k, a.k.data, 0);
  const memory o_memory = at(o, a.o.data, a.o.row_stride * first_bytes), v_memory = at(v, a.v.data, 0);
  const memory scores = at(s, a.workspace, 0), probs = at(w, a.workspace, probs_offset(p));
  add_step(plan, dnnl::matmul::primitive_desc(dnnl::matmul::desc(q, k, s), attributes(a.softmax_scale), engine),
           {{DNNL_ARG_SRC, q_memory}, {DNNL_ARG_WEIGHTS, k_memory}, {DNNL_ARG_DST, scores}});
  add_step(plan, softmax_desc(s, w, engine), {{DNNL_ARG_SRC, scores}, {DNNL_ARG_DST, probs}});
  add_step(plan, dnnl::matmul::primitive_desc(dnnl::matmul::desc(w, v, o), attributes(1), engine),
           {{DNNL_ARG_SRC, probs}, {DNNL_ARG_WEIGHTS, v_memory}, {DNNL_ARG_DST, o_memory}});
}

void* prepare(const attn_args* a) try {
  const Team team(a->threads);
  const Problem& p = *a->problem;
  const std::int64_t heads_per_kv = p.heads / p.kv_heads, first = first_query_with_keys(p);
  auto plan = std::make_unique<Plan>(Plan{.group = p.seqlen_q == 1 ? 1 : heads_per_kv,
                                          .rows = p.seqlen_q == 1 ? heads_per_kv : p.seqlen_q - first,
                                          .first_query = first});
  if (first < p.seqlen_q) add_steps(*plan, *a);
  return plan.release();
} catch (const std::exception&) {
  return nullptr;
}

void mask_scores(const attn_args& a, const Plan& plan) {
  const Problem& p = *a.problem;
  constexpr float kMasked = -std::numeric_limits<float>::infinity();
#pragma omp parallel for schedule(static) num_threads(a.threads)
  for (std::int64_t line = 0; line < p.batch * p.kv_heads * plan.group * plan.rows; ++line) {
    float* row = static_cast<float*>(a.workspace) + line * p.seqlen_k;
    const auto keys = attn::visible_keys(p, p.seqlen_q == 1 ? 0 : plan.first_query + line % plan.rows);
    std::fill(row, row + keys.begin, kMasked);
    std::fill(row + keys.end, row + p.seqlen_k, kMasked);
  }
}

void clear_rows_without_keys(const attn_args& a, std::int64_t count) {
  const Problem& p = *a.problem;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < count; ++i)
        attn::with_element(p.dtype,
                           [&]<class E>(E zero) { std::fill_n(attn::row_of<E>(a.o, b, h, i), p.value_dim, zero); });
}

void run(const attn_args* a) {
  const Team team(a->threads);
  auto& plan = *static_cast<Plan*>(a->state);
  clear_rows_without_keys(*a, plan.first_query);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    plan.steps[i].primitive.execute(plan.stream, plan.steps[i].memories);
    if (i == 0 && masks_something(*a->problem)) mask_scores(*a, plan);
  }
  plan.stream.wait();
}

void release(void* state) { delete static_cast<Plan*>(state); }

const char* what_ran(const attn_args* a) { return static_cast<Plan*>(a->state)->what_ran.c_str(); }

std::size_t workspace_bytes(const Problem* p, std::int32_t) {
  return static_cast<std::size_t>(probs_offset(*p) + pairs(*p) * attn::element_of(p->dtype).bytes);
}

std::string version() {
  const dnnl_version_t& v = *dnnl_version();
  return std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
}

// Makes what add_steps() needs, on matrices of a tile: empty, or what the library lacks for these elements on this CPU.
std::string lack_of(std::int32_t dtype) {
  const char* wanted = "matmul";
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const memory::dims square = {1, 16, 16};
    const memory::desc scores(square, memory::data_type::f32, memory::format_tag::abc);
    const memory::desc operand(square, type_of(dtype), memory::format_tag::abc);
    dnnl::matmul::primitive_desc(dnnl::matmul::desc(operand, operand, scores), attributes(0.125F), engine);
    dnnl::matmul::primitive_desc(dnnl::matmul::desc(operand, operand, operand), attributes(1), engine);
    wanted = "softmax";
    softmax_desc(scores, operand, engine);
    return {};
  } catch (const dnnl::error& error) {
    return "oneDNN " + version() + " has no " + wanted + " of " + attn::element_of(dtype).name +
           " on this CPU: " + error.message;
  }
}

const char* limits(const Problem* p) {
  // Leaves room for the size of an element, and for what the library adds.
  if (1.0 * p->batch * p->heads * p->seqlen_q * p->seqlen_k > 1e15) return "its score matrix exceeds 64-bit sizes";
  static const std::array lacks = {lack_of(ATTN_F32), lack_of(ATTN_BF16), lack_of(ATTN_F16)};  // by dtype
  const std::string& lack = lacks[static_cast<std::size_t>(p->dtype)];
  return lack.empty() ? nullptr : lack.c_str();
}

// The library generates code for the CPU that it finds.
const char* effective_isa() {
#ifdef __aarch64__
  return "neon64";
#else
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto includes = [isa](dnnl::cpu_isa level) {
    return (isa & static_cast<unsigned>(level)) == static_cast<unsigned>(level);
  };
  return includes(dnnl::cpu_isa::avx512_core) ? "avx512" : includes(dnnl::cpu_isa::avx2) ? "avx2" : "sse2";
#endif
}

}  // namespace

const attn_plugin* attn_plugin_table() {
  static const std::string library_version = version();
  static const attn_variant variant{
      .struct_size = sizeof(attn_variant),
      .name = "onednn",
      .isa = effective_isa(),
      .summary = "matmul, softmax, matmul of oneDNN over all heads",
      .source = "oneDNN",
      .features = ATTN_CAUSAL | ATTN_WINDOW | ATTN_GQA | ATTN_DV_DIFFERS | ATTN_THREADS | ATTN_TAKES_F32 |
                  ATTN_TAKES_BF16 | ATTN_TAKES_F16,
      .error_multiple = 1,
      .limits = limits,
      .workspace_bytes = workspace_bytes,
      .run = run,
      .prepare = prepare,
      .release = release,
      .what_ran = what_ran,
  };
  static const attn_variant* const variants[] = {&variant};
  static const attn_plugin plugin{
      .abi = ATTN_PLUGIN_ABI, .count = 1, .variants = variants, .version = library_version.c_str()};
  return &plugin;
}
