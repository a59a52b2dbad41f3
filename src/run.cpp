#include "run.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "overlap.hpp"
#include "problem_text.hpp"
#include "quantisation.hpp"
#include "reference.hpp"
#include "registry.hpp"
#include "roles.hpp"
#include "with_team.hpp"

namespace attn {
namespace {

std::string dtype_name(int dtype) { return is_dtype(dtype) ? element_of(dtype).name : std::to_string(dtype); }

void check_tensor(const TensorRole& role, const TensorView& t, const Problem& p) {
  const char* name = role.name;
  const std::array<std::int64_t, 4> shape = role.shape(p);
  const Element& element = element_of(role.dtype(p));
  if (role.dense && t.data == nullptr)
    throw std::invalid_argument(fmt::format("{} is missing: int8 needs a scale of every token and kv head, [{}] in f32",
                                            name, fmt::join(std::span(shape).first(3), ", ")));
  if (t.shape != shape)
    throw std::invalid_argument(fmt::format("{} has shape [{}], the problem needs [{}]", name, fmt::join(t.shape, ", "),
                                            fmt::join(shape, ", ")));
  if (t.dtype != element.dtype)
    throw std::invalid_argument(fmt::format("{} has dtype {}; valid: {}", name, dtype_name(t.dtype), element.name));
  if (t.data == nullptr) throw std::invalid_argument(fmt::format("{} has no data", name));
  if (t.shape[3] > 1 && t.stride[3] != 1)
    throw std::invalid_argument(fmt::format("{} has last stride {}; valid: 1", name, t.stride[3]));
  const std::array<std::int64_t, 4> dense = dense_view(t.data, shape).stride;
  for (std::size_t d = 0; d < shape.size() && role.dense; ++d)
    if (shape[d] > 1 && t.stride[d] != dense[d])
      throw std::invalid_argument(
          fmt::format("{} has strides [{}]; valid: [{}]", name, fmt::join(t.stride, ", "), fmt::join(dense, ", ")));
  if (reinterpret_cast<std::uintptr_t>(t.data) % static_cast<std::uintptr_t>(element.bytes) != 0)
    throw std::invalid_argument(fmt::format("{} is not aligned to its {}-byte elements", name, element.bytes));
}

attn_input input(const TensorView& t) { return {t.data, t.stride[0], t.stride[1], t.stride[2]}; }

attn_output output(const TensorView& t) { return {t.data, t.stride[0], t.stride[1], t.stride[2]}; }

void check_lse(const Problem& p, const float* lse) {
  if (p.backward && lse == nullptr)
    throw std::invalid_argument("the backward pass needs lse of the forward pass, and no lse buffer is given");
  if (p.lse && lse == nullptr) throw std::invalid_argument("lse=1 but no lse buffer is given");
  if (!p.lse && !p.backward && lse != nullptr) throw std::invalid_argument("an lse buffer is given but lse=0");
  if (reinterpret_cast<std::uintptr_t>(lse) % sizeof(float) != 0)
    throw std::invalid_argument("lse is not aligned to its 4-byte elements");
}

void check_scale(double scale) {
  if (!std::isfinite(static_cast<float>(scale)))
    throw std::invalid_argument(fmt::format("softmax_scale={} is not finite in f32", scale));
}

void check_first_head(const Problem& p, std::int64_t first_head) {
  const std::int64_t last = kMaxDropoutDimension - p.heads;
  if (p.dropout > 0 && (first_head < 0 || first_head > last))
    throw std::invalid_argument(
        fmt::format("first_head={} is not between 0 and {}: dropout numbers heads in 32 bits", first_head, last));
}

void check_tensors(const Problem& p, const Tensors& t) {
  for (const TensorRole& role : kTensorRoles) {
    const TensorView& view = t.*role.view;
    if (role.use(p) != Use::absent)
      check_tensor(role, view, p);
    else if (view.data != nullptr)
      throw std::invalid_argument(role.dense ? fmt::format("{} is given, which keys and values of {} do not have",
                                                           role.name, element_of(p.dtype).name)
                                             : fmt::format("{} is given, which the {} pass does not have", role.name,
                                                           p.backward ? "backward" : "forward"));
  }
}

// Nothing that is written shares memory with itself or with anything else.
void check_overlaps(const Problem& p, const Tensors& t, std::span<std::byte> workspace) {
  struct Named {
    const char* name;
    ConstTensorView view;
  };
  std::vector<Named> written, read;
  for (const TensorRole& role : kTensorRoles)
    if (const Use use = role.use(p); use != Use::absent)
      (use == Use::written ? written : read).push_back({role.name, t.*role.view});
  if (t.lse != nullptr)
    (p.backward ? read : written).push_back({"lse", dense_view(t.lse, {p.batch, p.heads, p.seqlen_q, 1})});
  if (!workspace.empty()) {
    const auto floats = static_cast<std::int64_t>((workspace.size() + sizeof(float) - 1) / sizeof(float));
    written.push_back({"workspace", dense_view(workspace.data(), {1, 1, 1, floats})});
  }
  for (std::size_t w = 0; w < written.size(); ++w) {
    const auto& [name, view] = written[w];
    if (overlaps_itself(view))
      throw std::invalid_argument(fmt::format("{} of shape [{}] has strides [{}], by which elements share memory", name,
                                              fmt::join(view.shape, ", "), fmt::join(view.stride, ", ")));
    std::vector<Named> others(written.begin() + static_cast<std::ptrdiff_t>(w) + 1, written.end());
    others.insert(others.end(), read.begin(), read.end());
    for (const Named& other : others)
      if (overlap(view, other.view))
        throw std::invalid_argument(fmt::format(
            "{} at {} with strides [{}] shares memory with {} at {} with strides [{}]; outputs alias nothing", name,
            view.data, fmt::join(view.stride, ", "), other.name, other.view.data, fmt::join(other.view.stride, ", ")));
  }
}

}  // namespace

void validate_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads)
    throw std::invalid_argument(fmt::format("threads={} is not between 1 and {}", threads, kMaxThreads));
}

std::size_t workspace_bytes(const Variant& variant, const Problem& problem, int threads) {
  return variant.workspace_bytes == nullptr ? 0 : variant.workspace_bytes(&problem, threads);
}

Args prepare(const Variant& variant, const Problem& p, const Tensors& t, int threads, std::span<std::byte> workspace) {
  validate(p);
  validate_threads(threads);
  if (const std::string reason = why_not(variant, p, threads); !reason.empty())
    throw std::invalid_argument(
        fmt::format("{}/{} cannot compute this problem: {}", variant.name, variant.isa, reason));
  check_tensors(p, t);
  validate_scales(t);
  check_lse(p, t.lse);
  check_scale(softmax_scale(p, t));
  check_first_head(p, t.first_head);
  if (const std::size_t needed = workspace_bytes(variant, p, threads); workspace.size() < needed)
    throw std::invalid_argument(
        fmt::format("workspace of {} bytes is too small, {} needs {}", workspace.size(), variant.name, needed));
  if (reinterpret_cast<std::uintptr_t>(workspace.data()) % 64 != 0)
    throw std::invalid_argument("workspace is not 64-byte aligned");
  check_overlaps(p, t, workspace);
  return Args{.struct_size = sizeof(Args),
              .threads = threads,
              .problem = &p,
              .softmax_scale = static_cast<float>(softmax_scale(p, t)),
              .q = input(t.q),
              .k = input(t.k),
              .v = input(t.v),
              .o = output(t.o),
              .lse = t.lse,
              .workspace = workspace.data(),
              .state = nullptr,
              .seed = t.seed,
              .first_head = t.first_head,
              .do_ = input(t.do_),
              .dq = output(t.dq),
              .dk = output(t.dk),
              .dv = output(t.dv),
              .k_scale = static_cast<const float*>(t.k_scale.data),
              .v_scale = static_cast<const float*>(t.v_scale.data)};
}

PreparedArgs::PreparedArgs(const Variant& variant, const Args& args) : variant_(&variant), args_(args) {
  prepare_again();
}

PreparedArgs::~PreparedArgs() { release(); }

void PreparedArgs::prepare_again() {
  if (variant_->prepare == nullptr) return;
  release();
  args_.state = variant_->prepare(&args_);
  if (args_.state == nullptr)
    throw std::runtime_error(fmt::format("could not prepare itself: {}/{} for {}", variant_->name, variant_->isa,
                                         to_string(*args_.problem)));
}

void PreparedArgs::release() {
  if (args_.state != nullptr && variant_->release != nullptr) variant_->release(args_.state);
  args_.state = nullptr;
}

PreparedArgs::PreparedArgs(PreparedArgs&& other) noexcept : variant_(other.variant_), args_(other.args_) {
  other.args_.state = nullptr;
}

void PreparedArgs::finish() const {
  if (variant_->finish != nullptr) variant_->finish(&args_);
}

std::string PreparedArgs::what_ran() const {
  const char* text = variant_->what_ran == nullptr ? nullptr : variant_->what_ran(&args_);
  return text == nullptr ? "" : text;
}

void run(const Variant& variant, const Problem& problem, const Tensors& tensors, int threads,
         std::span<std::byte> workspace) {
  const Args args = prepare(variant, problem, tensors, threads, workspace);
  with_team(threads, [&] {
    const PreparedArgs prepared(variant, args);
    prepared.run();
    prepared.finish();
  });
}

}  // namespace attn
