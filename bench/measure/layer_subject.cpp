#include "measure/layer_subject.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "aligned_buffer.hpp"
#include "attention.hpp"
#include "base/timing.hpp"
#include "layers/shared.hpp"
#include "measure/checksum.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {
namespace {

using namespace attn::layers;

// Uniform of this deviation, the same on every platform.
void fill(std::vector<float>& values, float deviation, std::mt19937_64& random) {
  for (float& x : values)
    x = deviation * 1.7320508f * (static_cast<float>(random() >> 40) / static_cast<float>(1 << 23) - 1);
}

MultiHeadConfig config_of(const Workload& w) {
  const Problem& p = w.problem;
  return {.d_model = w.layer.d_model,
          .heads = p.heads,
          .kv_heads = p.kv_heads,
          .head_dim = p.head_dim,
          .causal = is_causal(p),
          .dropout = p.dropout,
          .form = w.layer.form == LayerForm::per_head ? Form::per_head : Form::fused};
}

// The order of tensors counts.
std::uint64_t add_to_hash(std::uint64_t hash, const std::vector<float>& values) {
  return hash * 0x100000001b3 + checksum_of(std::as_bytes(std::span(values)));
}

std::uint64_t add_to_hash(std::uint64_t hash, const LinearWeights& linear) {
  return add_to_hash(add_to_hash(hash, linear.weight), linear.bias);
}

bool has_forward(const Workload& w) { return !w.problem.backward || w.layer.both; }

}  // namespace

LayerInputs::LayerInputs(const Workload& w, std::uint64_t seed_)
    : seed(seed_),
      cross(w.problem.seqlen_k != w.problem.seqlen_q),
      x(w.problem.batch, w.problem.seqlen_q, w.layer.d_model) {
  const Problem& p = w.problem;
  const bool single = w.layer.form == LayerForm::single;
  if (cross) context = Sequence(p.batch, p.seqlen_k, w.layer.d_model);
  dy = Sequence(p.batch, p.seqlen_q, single ? p.head_dim : w.layer.d_model);
  weights.in = LinearWeights((p.heads + 2 * p.kv_heads) * p.head_dim, w.layer.d_model, false);
  if (!single) weights.out = LinearWeights(w.layer.d_model, w.layer.d_model, true);
  std::mt19937_64 random(seed);
  for (Sequence* s : {&x, &context, &dy}) fill(s->data, 1, random);
  const float deviation = 1 / std::sqrt(static_cast<float>(w.layer.d_model));
  for (LinearWeights* linear : {&weights.in, &weights.out}) {
    fill(linear->weight, deviation, random);
    fill(linear->bias, 0.5f, random);
  }
}

std::uint64_t LayerInputs::hash() const {
  std::uint64_t hash = 1;
  for (const Sequence* s : {&x, &context, &dy}) hash = add_to_hash(hash, s->data);
  return add_to_hash(add_to_hash(hash, weights.in), weights.out);
}

std::vector<std::pair<const char*, std::vector<float>*>> LayerOutputs::all(const Workload& w) {
  std::vector<std::pair<const char*, std::vector<float>*>> tensors;
  if (has_forward(w)) tensors.emplace_back("y", &y.data);
  if (!w.problem.backward) return tensors;
  tensors.emplace_back("dx", &dx.data);
  tensors.emplace_back("d_context", &d_context.data);
  if (w.layer.form == LayerForm::single) {
    tensors.emplace_back("dWq", &head_gradients.q.weight);
    tensors.emplace_back("dWk", &head_gradients.k.weight);
    tensors.emplace_back("dWv", &head_gradients.v.weight);
  } else {
    tensors.emplace_back("dW_in", &gradients.in.weight);
    tensors.emplace_back("dW_out", &gradients.out.weight);
    tensors.emplace_back("dbias_out", &gradients.out.bias);
  }
  return tensors;
}

Layer::Layer(const Workload& w, const LayerInputs& inputs) {
  const Problem& p = w.problem;
  if (w.layer.form != LayerForm::single) {
    multi_.emplace(config_of(w));
    multi_->weights = inputs.weights;
    return;
  }
  single_.emplace(SingleHeadConfig{
      .d_model = w.layer.d_model, .head_dim = p.head_dim, .causal = is_causal(p), .dropout = p.dropout});
  const std::int64_t count = p.head_dim * w.layer.d_model;
  const float* rows = inputs.weights.in.weight.data();
  for (LinearWeights* part : {&single_->weights.q, &single_->weights.k, &single_->weights.v}) {
    std::copy_n(rows, count, part->weight.data());
    rows += count;
  }
}

void Layer::forward(const LayerInputs& in, LayerOutputs& out, const Execution& execution) {
  const auto run = [&](auto& layer) {
    in.cross ? layer.forward(in.x, in.context, out.y, execution) : layer.forward(in.x, out.y, execution);
  };
  single_ ? run(*single_) : run(*multi_);
}

void Layer::backward(const LayerInputs& in, LayerOutputs& out, const Execution& execution) {
  const auto run = [&](auto& layer, auto& gradients) {
    in.cross ? layer.backward(in.x, in.context, in.dy, out.dx, out.d_context, gradients, execution)
             : layer.backward(in.x, in.dy, out.dx, gradients, execution);
  };
  single_ ? run(*single_, out.head_gradients) : run(*multi_, out.gradients);
}

void Layer::turn(LayerFlips& flips, std::mt19937_64& random) {
  single_ ? flips.turn(single_->weights, random) : flips.turn(multi_->weights, random);
}

void Layer::undo(const LayerFlips& flips) { single_ ? flips.undo(single_->weights) : flips.undo(multi_->weights); }

std::uint64_t Layer::hash() const {
  if (multi_) return add_to_hash(add_to_hash(1, multi_->weights.in), multi_->weights.out);
  return add_to_hash(add_to_hash(add_to_hash(1, single_->weights.q), single_->weights.k), single_->weights.v);
}

void LayerWorkload::scale_dy(float factor) {
  for (float& x : inputs_.dy.data) x *= factor;
}

Verdict LayerWorkload::check(LayerOutputs& outputs) {
  if (!expected_) {
    expected_.emplace();
    Layer layer(workload_, inputs_);
    Execution plain{
        .variant = "naive", .backward_variant = "naive_backward", .gemm = Gemm::loops, .seed = inputs_.seed};
    layer.forward(inputs_, *expected_, plain);
    if (workload_.problem.backward) layer.backward(inputs_, *expected_, plain);
  }
  Verdict verdict{.tolerance = kLayerTolerance, .rows_checked = outputs.y.tokens() + outputs.dx.tokens()};
  const auto actual = outputs.all(workload_), expected = expected_->all(workload_);
  for (std::size_t t = 0; t < actual.size(); ++t) {
    const std::vector<float>&a = *actual[t].second, &e = *expected[t].second;
    double largest = 0;
    for (const float x : e) largest = std::max(largest, std::fabs(static_cast<double>(x)));
    if (a.size() != e.size())
      verdict.failure = fmt::format("{} has {} elements, not {}", actual[t].first, a.size(), e.size());
    for (std::size_t i = 0; i < a.size() && a.size() == e.size(); ++i) {
      const double error = std::fabs(static_cast<double>(a[i]) - e[i]) / std::max(largest, 1e-30);
      if (!(error <= verdict.tolerance) && !(error <= verdict.max_scaled_err))
        verdict.failure = fmt::format("{}[{}] = {}, expected {:.9g}, error of {:.3g} of the largest element > {:.3g}",
                                      actual[t].first, i, a[i], e[i], error, verdict.tolerance);
      verdict.max_scaled_err = std::max(verdict.max_scaled_err, std::isnan(error) ? 1e300 : std::min(error, 1e300));
    }
  }
  verdict.passed = verdict.failure.empty();
  return verdict;
}

LayerSubject::LayerSubject(const Case& c, LayerWorkload& workload)
    : what_(c.workload), workload_(workload), layer_(c.workload, workload.inputs()), flips_(c.workload.problem) {
  execution_ = {.threads = c.threads, .seed = workload.inputs().seed, .times = &times_};
  (c.variant->features & ATTN_BACKWARD ? execution_.backward_kernel : execution_.kernel) = c.variant;
  if (!has_forward(what_)) layer_.forward(workload_.inputs(), outputs_, execution_);
  hash_ = workload_.inputs().hash() ^ layer_.hash();
}

std::string LayerSubject::damage() const {
  return (workload_.inputs().hash() ^ layer_.hash()) == hash_ ? "" : "the layer wrote to its inputs or weights";
}

void LayerSubject::call() {
  ++calls_;
  execution_.times = &times_;
  if (has_forward(what_)) layer_.forward(workload_.inputs(), outputs_, execution_);
  if (what_.problem.backward) layer_.backward(workload_.inputs(), outputs_, execution_);
}

void LayerSubject::change_inputs(std::mt19937_64& random) {
  if (!has_forward(what_)) {
    // Neither what it was nor what it is.
    constexpr std::array kFactors = {-1.0f, 2.0f, -2.0f, 0.5f, -0.5f};
    float factor = dy_factor_;
    while (factor == dy_factor_) factor = kFactors[random() % kFactors.size()];
    workload_.scale_dy(factor / dy_factor_);
    dy_factor_ = factor;
    return;
  }
  const bool single = what_.layer.form == LayerForm::single;
  if (single) workload_.turn_dy(flips_);
  layer_.turn(flips_, random);
  if (single) workload_.turn_dy(flips_);
}

void LayerSubject::restore_inputs() {
  if (const float back = 1 / std::exchange(dy_factor_, 1.0f); back != 1) {
    workload_.scale_dy(back);
    for (const auto& [name, values] : outputs_.all(what_))
      for (float& x : *values) x *= back;
  }
  layer_.undo(flips_);
  const bool single = what_.layer.form == LayerForm::single;
  if (single) {
    workload_.turn_dy(flips_);
    flips_.turn_columns(outputs_.y);
  }
  if (what_.problem.backward) single ? flips_.undo(outputs_.head_gradients) : flips_.undo(outputs_.gradients);
  flips_.forget();
}

std::vector<std::span<std::byte>> LayerSubject::written_next() {
  std::vector<std::span<std::byte>> all;
  for (const auto& [name, values] : outputs_.all(what_)) all.push_back(std::as_writable_bytes(std::span(*values)));
  return all;
}

void LayerSubject::poison() {
  for (const std::span<std::byte> output : written_next()) attn::poison(output);
  forget_calls();
}

void LayerSubject::forget_calls() {
  times_ = {};
  calls_ = 0;
}

std::vector<std::byte> LayerSubject::output_bits(std::size_t) {
  std::vector<std::byte> bits;
  for (const std::span<std::byte> output : written_next()) bits.insert(bits.end(), output.begin(), output.end());
  return bits;
}

LayerTimes LayerSubject::part_seconds() const {
  const double calls = static_cast<double>(std::max<std::int64_t>(calls_, 1));
  return {times_.projections / calls, times_.core / calls, times_.concat / calls};
}

double LayerSubject::over_parts() {
  if (what_.problem.backward) return 0;
  const LayerInputs& in = workload_.inputs();
  const LinearWeights &w = in.weights.in, &w_out = in.weights.out;
  const Problem& p = what_.problem;
  const std::int64_t q_features = p.heads * p.head_dim, kv_features = p.kv_heads * p.head_dim;
  const std::int64_t before_k = in.cross ? 0 : q_features;
  Sequence projected(p.batch, p.seqlen_q, in.cross ? q_features : w.out);
  Sequence of_context(p.batch, in.cross ? p.seqlen_k : 0, w.out - q_features);
  Sequence concat(p.batch, p.seqlen_q, q_features), y(p.batch, p.seqlen_q, w_out.out);
  Sequence& kv = in.cross ? of_context : projected;
  std::vector<float> lse(static_cast<std::size_t>(p.batch * p.seqlen_q * p.heads));
  AlignedBuffer workspace;
  const auto projections = [&] {
    const auto project = [&](const Sequence& from, const LinearSlice& slice, Sequence& to) {
      linear(from.matrix(), slice, to.matrix(), execution_.gemm, execution_.threads);
    };
    project(in.x, {w, 0, projected.features}, projected);
    if (in.cross) project(in.context, {w, q_features, of_context.features}, of_context);
    if (w_out.out > 0) project(concat, all_of(w_out), y);
  };
  AttentionOptions options = core_options(is_causal(p), p.dropout, execution_, false, workspace);
  options.lse = lse.data();
  const auto core = [&] {
    attention(heads_of(projected, 0, p.heads, p.head_dim), heads_of(kv, before_k, p.kv_heads, p.head_dim),
              heads_of(kv, before_k + kv_features, p.kv_heads, p.head_dim), heads_of(concat, 0, p.heads, p.head_dim),
              options);
  };
  // Turn about, and the median of the turns' ratios: the machine may change its speed meanwhile.
  constexpr double kSeconds = 0.3;
  projections(), core();
  std::vector<double> ratios;
  for (double sum = 0; sum < kSeconds || ratios.size() < 7;) {
    const double whole = seconds_of([&] { call(); }), parts = seconds_of(projections) + seconds_of(core);
    ratios.push_back(whole / parts);
    sum += whole + parts;
  }
  std::nth_element(ratios.begin(), ratios.begin() + ratios.size() / 2, ratios.end());
  return ratios[ratios.size() / 2];
}

std::int64_t layer_bytes(const Workload& w) {
  const Problem& p = w.problem;
  const std::int64_t tokens = p.batch * std::max(p.seqlen_q, p.seqlen_k);
  const std::int64_t features = w.layer.d_model + (p.heads + 2 * p.kv_heads) * p.head_dim;
  const std::int64_t weights = w.layer.d_model * ((p.heads + 2 * p.kv_heads) * p.head_dim + w.layer.d_model);
  // Activations, gradients, the expected ones and copies of the outputs.
  return 4 * 4 * (3 * tokens * features + 2 * weights);
}

std::unique_ptr<Subject> make_layer_subject(const Case& c, PreparedWorkload& workload) {
  if (workload.layer == nullptr) workload.layer = std::make_shared<LayerWorkload>(c.workload, workload.seed());
  return std::make_unique<LayerSubject>(c, *workload.layer);
}

}  // namespace attn::bench
