// The layers: against each other, against their definition, against PyTorch, and what they refuse.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <thread>

#include "attention.hpp"
#include "catch.hpp"
#include "layers/attention_layers.hpp"
#include "layers/cblas.hpp"
#include "layers/first_attention.hpp"
#include "registry.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::layers;

void randomize(std::vector<float>& values, std::uint64_t seed, float deviation) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  for (float& x : values) x = normal(random);
}

void randomize(LinearWeights& w, std::uint64_t seed) {
  randomize(w.weight, seed, 1 / std::sqrt(static_cast<float>(w.in)));
  randomize(w.bias, seed + 100, 0.5f);
}

Sequence random_sequence(std::int64_t batch, std::int64_t length, std::int64_t features, std::uint64_t seed) {
  Sequence s(batch, length, features);
  randomize(s.data, seed, 1);
  return s;
}

MultiHeadAttention random_layer(MultiHeadConfig config, Form form) {
  config.form = form;
  MultiHeadAttention layer(config);
  randomize(layer.weights.in, 1);
  randomize(layer.weights.out, 2);
  return layer;
}

// The largest difference, relative to the largest value.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, largest = 1e-30;
  for (std::size_t e = 0; e < a.size(); ++e) {
    worst = std::max(worst, std::fabs(static_cast<double>(a[e]) - b[e]));
    largest = std::max(largest, std::fabs(static_cast<double>(b[e])));
    if (std::isnan(a[e]) || std::isnan(b[e])) return std::numeric_limits<double>::infinity();
  }
  return worst / largest;
}

// Everything that a step of a layer gives.
struct Step {
  Sequence y, dx, d_context;
  MultiHeadWeights gradients;
};

Step step(MultiHeadAttention& layer, const Sequence& x, const Sequence* context, const Sequence& dy,
          const Execution& execution) {
  Step s;
  if (context == nullptr) {
    layer.forward(x, s.y, execution);
    layer.backward(x, dy, s.dx, s.gradients, execution);
  } else {
    layer.forward(x, *context, s.y, execution);
    layer.backward(x, *context, dy, s.dx, s.d_context, s.gradients, execution);
  }
  return s;
}

double difference(const Step& a, const Step& b) {
  return std::max(
      {difference(a.y.data, b.y.data), difference(a.dx.data, b.dx.data), difference(a.d_context.data, b.d_context.data),
       difference(a.gradients.in.weight, b.gradients.in.weight), difference(a.gradients.in.bias, b.gradients.in.bias),
       difference(a.gradients.out.weight, b.gradients.out.weight),
       difference(a.gradients.out.bias, b.gradients.out.bias)});
}

// sum of dy * y
double loss(const Sequence& y, const Sequence& dy) {
  double sum = 0;
  for (std::size_t e = 0; e < y.data.size(); ++e) sum += static_cast<double>(y.data[e]) * dy.data[e];
  return sum;
}

// The layer that most tests take: grouped heads, biases, masks, dropout on weights and output.
constexpr MultiHeadConfig kConfig{
    .d_model = 24, .heads = 6, .kv_heads = 2, .bias = true, .causal = true, .dropout = 0.2, .output_dropout = 0.3};

// A file of tools/golden_layers.
struct Golden {
  std::string version;
  std::map<std::string, std::int64_t> config;
  std::map<std::string, std::vector<float>> tensors;
  std::map<std::string, std::vector<std::int64_t>> shapes;
};

Golden read_golden(const std::string& name) {
  std::ifstream file(std::string(ATTN_GOLDEN_DIR) + "/" + name + ".txt");
  REQUIRE(file);
  Golden golden;
  std::string line, word;
  std::vector<float>* values = nullptr;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    words >> word;
    if (word == "torch") {
      words >> golden.version;
    } else if (word == "config") {
      while (words >> word) {
        const std::size_t equals = word.find('=');
        if (word.substr(0, equals) != "kind")
          golden.config[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
      }
    } else if (word == "tensor") {
      words >> word;
      values = &golden.tensors[word];
      for (std::int64_t size; words >> size;) golden.shapes[word].push_back(size);
    } else {
      do values->push_back(std::strtof(word.c_str(), nullptr));
      while (words >> word);
    }
  }
  return golden;
}

Sequence sequence_of(const Golden& g, const std::string& name) {
  const std::vector<std::int64_t>& shape = g.shapes.at(name);
  Sequence s(shape[0], shape[1], shape[2]);
  s.data = g.tensors.at(name);
  return s;
}

}  // namespace

TEST_CASE("both forms of multi-head attention compute the same, forward and backward", "[layers]") {
  const bool cross = GENERATE(false, true);
  MultiHeadConfig config = kConfig;
  config.causal = GENERATE(false, true);
  config.bias = GENERATE(false, true);
  config.kv_heads = GENERATE(1, 2, 6);
  CAPTURE(cross, config.causal, config.bias, config.kv_heads);
  MultiHeadAttention per_head = random_layer(config, Form::per_head), fused = random_layer(config, Form::fused);
  const Sequence x = random_sequence(2, 19, 24, 3), context = random_sequence(2, 23, 24, 4);
  const Sequence dy = random_sequence(2, 19, 24, 5);
  for (const int threads : {1, 2}) {
    const Execution execution{.threads = threads, .seed = 9};
    CHECK(difference(step(per_head, x, cross ? &context : nullptr, dy, execution),
                     step(fused, x, cross ? &context : nullptr, dy, execution)) < 1e-5);
  }
}

TEST_CASE("gradients of the layers equal differences of their forward pass", "[layers]") {
  const auto form = GENERATE(Form::per_head, Form::fused);
  MultiHeadAttention layer = random_layer(kConfig, form);
  Sequence x = random_sequence(2, 9, 24, 3), context = random_sequence(2, 11, 24, 4);
  const Sequence dy = random_sequence(2, 9, 24, 5);
  const Execution execution{.seed = 4};
  const Step s = step(layer, x, &context, dy, execution);
  const auto check_against_differences = [&](std::vector<float>& values, const std::vector<float>& gradient) {
    constexpr float kStep = 1.0f / 64;
    double largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::fabs(static_cast<double>(g)));
    for (std::size_t e = 0; e < values.size(); e += values.size() / 37 + 1) {
      const float before = values[e];
      Sequence y;
      values[e] = before + kStep;
      layer.forward(x, context, y, execution);
      const double above = loss(y, dy);
      values[e] = before - kStep;
      layer.forward(x, context, y, execution);
      CHECK(std::fabs((above - loss(y, dy)) / (2 * kStep) - gradient[e]) < 3e-3 * largest);
      values[e] = before;
    }
  };
  check_against_differences(x.data, s.dx.data);
  check_against_differences(context.data, s.d_context.data);
  check_against_differences(layer.weights.in.weight, s.gradients.in.weight);
  check_against_differences(layer.weights.in.bias, s.gradients.in.bias);
  check_against_differences(layer.weights.out.weight, s.gradients.out.weight);
  check_against_differences(layer.weights.out.bias, s.gradients.out.bias);
}

TEST_CASE("gradients of the first attention equal differences of its loss", "[layers]") {
  auto random_matrix = [seed = 0](std::size_t rows, std::size_t columns) mutable {
    const Sequence s = random_sequence(1, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), ++seed);
    first::Matrix m;
    for (std::size_t i = 0; i < rows; ++i) m.emplace_back(s.token(0, i), s.token(0, i) + columns);
    return m;
  };
  first::MultiHead model{
      .w = random_matrix(6, 6), .bias = random_matrix(1, 6), .drop = 0.3, .output_drop = 0.2, .seed = 2};
  for (int h = 0; h < 3; ++h)
    model.heads.push_back({.wq = random_matrix(2, 6), .wk = random_matrix(2, 6), .wv = random_matrix(2, 6)});
  first::Matrix x = random_matrix(5, 6);
  const first::Matrix dy = random_matrix(5, 6);
  model.forward(x);
  model.dy = dy;
  model.backward();
  const auto loss = [&] {
    model.forward(x);
    double sum = 0;
    for (std::size_t i = 0; i < dy.size(); ++i)
      for (std::size_t j = 0; j < dy[i].size(); ++j) sum += dy[i][j] * model.y[i][j];
    return sum;
  };
  const auto check = [&](first::Matrix& values, const first::Matrix gradient) {
    constexpr double kStep = 1e-5;
    for (std::size_t i = 0; i < values.size(); ++i)
      for (std::size_t j = 0; j < values[i].size(); ++j) {
        const double before = values[i][j];
        values[i][j] = before + kStep;
        const double above = loss();
        values[i][j] = before - kStep;
        CHECK(std::fabs((above - loss()) / (2 * kStep) - gradient[i][j]) < 1e-7);
        values[i][j] = before;
      }
  };
  check(x, model.dx);
  check(model.w, model.dw);
  check(model.bias, model.d_bias);
  for (first::Head& head : model.heads) check(head.wq, head.dwq), check(head.wk, head.dwk), check(head.wv, head.dwv);
}

TEST_CASE("a single head is the equation", "[layers]") {
  SingleHeadAttention head({.d_model = 10, .head_dim = 6, .bias = true, .causal = true});
  randomize(head.weights.q, 1), randomize(head.weights.k, 2), randomize(head.weights.v, 3);
  const Sequence x = random_sequence(2, 7, 10, 4);
  Sequence o;
  head.forward(x, o);
  REQUIRE((o.batch == 2 && o.length == 7 && o.features == 6));
  const auto project = [&](const LinearWeights& w, std::int64_t b, std::int64_t i, std::int64_t d) {
    double sum = w.bias[d];
    for (std::int64_t e = 0; e < 10; ++e) sum += static_cast<double>(w.weight[d * 10 + e]) * x.token(b, i)[e];
    return sum;
  };
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t i = 0; i < 7; ++i) {
      std::vector<double> weights;
      double sum = 0;
      for (std::int64_t j = 0; j <= i; ++j) {
        double score = 0;
        for (std::int64_t d = 0; d < 6; ++d)
          score += project(head.weights.q, b, i, d) * project(head.weights.k, b, j, d);
        weights.push_back(std::exp(score / std::sqrt(6.0)));
        sum += weights.back();
      }
      for (std::int64_t d = 0; d < 6; ++d) {
        double expected = 0;
        for (std::int64_t j = 0; j <= i; ++j) expected += weights[j] / sum * project(head.weights.v, b, j, d);
        CHECK(std::fabs(o.token(b, i)[d] - expected) < 1e-5);
      }
    }
}

TEST_CASE("a single head with its gradients is a multi-head layer of one head and no output projection", "[layers]") {
  const bool cross = GENERATE(false, true);
  SingleHeadAttention head({.d_model = 8, .head_dim = 8, .bias = true, .dropout = 0.4});
  MultiHeadAttention layer({.d_model = 8, .heads = 1, .bias = true, .dropout = 0.4});
  randomize(layer.weights.in, 6);
  for (int i = 0; i < 8; ++i) layer.weights.out.weight[i * 9] = 1;
  const auto part = [&](const std::vector<float>& from, std::size_t index, std::vector<float>& to) {
    to.assign(from.begin() + index * to.size(), from.begin() + (index + 1) * to.size());
  };
  SingleHeadWeights& w = head.weights;
  for (const auto& [index, linear] : {std::pair{0, &w.q}, {1, &w.k}, {2, &w.v}}) {
    part(layer.weights.in.weight, index, linear->weight);
    part(layer.weights.in.bias, index, linear->bias);
  }
  const Sequence x = random_sequence(2, 9, 8, 3), context = random_sequence(2, 5, 8, 4);
  const Sequence dy = random_sequence(2, 9, 8, 5);
  const Execution execution{.seed = 11};
  const Step expected = step(layer, x, cross ? &context : nullptr, dy, execution);
  Sequence o, dx, d_context;
  SingleHeadWeights gradients;
  if (cross) {
    head.forward(x, context, o, execution);
    head.backward(x, context, dy, dx, d_context, gradients, execution);
  } else {
    head.forward(x, o, execution);
    head.backward(x, dy, dx, gradients, execution);
  }
  CHECK(difference(o.data, expected.y.data) < 1e-6);
  CHECK(difference(dx.data, expected.dx.data) < 1e-6);
  CHECK(difference(d_context.data, expected.d_context.data) < 1e-6);
  std::vector<float> stacked, stacked_bias;
  for (const LinearWeights* g : {&gradients.q, &gradients.k, &gradients.v}) {
    stacked.insert(stacked.end(), g->weight.begin(), g->weight.end());
    stacked_bias.insert(stacked_bias.end(), g->bias.begin(), g->bias.end());
  }
  CHECK(difference(stacked, expected.gradients.in.weight) < 1e-6);
  CHECK(difference(stacked_bias, expected.gradients.in.bias) < 1e-6);
}

TEST_CASE("a multi-head layer is its single heads side by side, projected", "[layers]") {
  const bool cross = GENERATE(false, true);
  MultiHeadConfig config = kConfig;
  config.output_dropout = 0;
  MultiHeadAttention layer = random_layer(config, Form::per_head);
  const std::int64_t head_dim = config.d_model / config.heads, share = head_dim * config.d_model;
  const Sequence x = random_sequence(2, 9, 24, 3), other = random_sequence(2, 11, 24, 4);
  const Sequence& context = cross ? other : x;
  const Execution execution{.seed = 7};
  Sequence concat(2, 9, 24), expected(2, 9, 24), o, y;
  for (std::int64_t h = 0; h < config.heads; ++h) {
    SingleHeadAttention head({.d_model = config.d_model,
                              .head_dim = head_dim,
                              .bias = true,
                              .causal = true,
                              .dropout = config.dropout,
                              .index = h});
    const std::int64_t kv_head = h / (config.heads / config.kv_heads);
    SingleHeadWeights& w = head.weights;
    for (const auto& [part, row_head] :
         {std::pair{&w.q, h}, {&w.k, config.heads + kv_head}, {&w.v, config.heads + config.kv_heads + kv_head}}) {
      std::copy_n(layer.weights.in.weight.begin() + row_head * share, share, part->weight.begin());
      std::copy_n(layer.weights.in.bias.begin() + row_head * head_dim, head_dim, part->bias.begin());
    }
    head.forward(x, context, o, execution);
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t i = 0; i < 9; ++i) std::copy_n(o.token(b, i), head_dim, concat.token(b, i) + h * head_dim);
  }
  linear(concat.matrix(), all_of(layer.weights.out), expected.matrix(), default_gemm(), 1);
  layer.forward(x, context, y, execution);
  CHECK(difference(y.data, expected.data) == 0);
}

TEST_CASE("a fresh layer answers zeros, an initialised one begins as PyTorch's", "[layers]") {
  MultiHeadConfig config{.d_model = 96, .heads = 6, .kv_heads = 2, .bias = true};
  MultiHeadAttention layer(config), twin(config), other(config);
  const Sequence x = random_sequence(1, 5, 96, 3);
  Sequence y;
  layer.forward(x, y);
  CHECK(std::count(y.data.begin(), y.data.end(), 0.0f) == std::ssize(y.data));
  layer.init(1), twin.init(1), other.init(2);
  CHECK(layer.weights.in.weight == twin.weights.in.weight);
  CHECK(layer.weights.out.weight == twin.weights.out.weight);
  CHECK(difference(layer.weights.in.weight, other.weights.in.weight) > 0.5);
  SingleHeadAttention head({.d_model = 96, .head_dim = 32, .bias = true});
  head.init(1);
  // Largest absolute value and mean square of uniform values: the bound, and a third of its square.
  const auto is_uniform = [](const std::vector<float>& values, double bound) {
    double largest = 0, square = 0;
    for (const float w : values) {
      largest = std::max(largest, std::fabs(static_cast<double>(w)));
      square += static_cast<double>(w) * w / static_cast<double>(values.size());
    }
    CHECK(largest <= bound * (1 + 1e-7));
    CHECK(largest > bound * 0.9);
    CHECK(std::fabs(square / (bound * bound / 3) - 1) < 5 / std::sqrt(static_cast<double>(values.size())));
  };
  is_uniform(layer.weights.in.weight, std::sqrt(6.0 / (96 + 160)));
  is_uniform(layer.weights.out.weight, 1 / std::sqrt(96.0));
  for (const LinearWeights* linear : {&layer.weights.in, &layer.weights.out})
    CHECK(std::count(linear->bias.begin(), linear->bias.end(), 0.0f) == std::ssize(linear->bias));
  const SingleHeadWeights& w = head.weights;
  for (const LinearWeights* part : {&w.q, &w.k, &w.v}) {
    is_uniform(part->weight, 1 / std::sqrt(96.0));
    is_uniform(part->bias, 1 / std::sqrt(96.0));
  }
  CHECK(difference(w.q.weight, w.k.weight) > 0.5);
  CHECK(difference(w.k.weight, w.v.weight) > 0.5);
  // The same on every machine.
  std::vector<float> values(5);
  fill_uniform(values, 1, 1, 0);
  CHECK(values == std::vector<float>{-0x1.5e6d8cp-4f, -0x1.324c96p-1f, 0x1.0daf72p-1f, -0x1.9db5e8p-2f, 0x1.b839ap-1f});
}

TEST_CASE("any variant is the core, and projections by loops give what CBLAS gives", "[layers]") {
  MultiHeadConfig config = kConfig;
  config.dropout = 0;
  const Sequence x = random_sequence(2, 33, 24, 3), dy = random_sequence(2, 33, 24, 5);
  MultiHeadAttention layer = random_layer(config, Form::fused);
  const Step expected = step(layer, x, nullptr, dy, {.seed = 2});
  CHECK(difference(step(layer, x, nullptr, dy, {.gemm = Gemm::loops, .seed = 2}), expected) < 1e-5);
  for (const Variant* row : native_rows(variant_table())) {
    if (!takes_f32(*row)) continue;
    Execution execution{.seed = 2};
    (row->features & ATTN_BACKWARD ? execution.backward_variant : execution.variant) = row->name;
    CAPTURE(row->name);
    CHECK(difference(step(layer, x, nullptr, dy, execution), expected) < 1e-5);
  }
}

TEST_CASE("a product is the same for any team, shape and transposition", "[layers]") {
  const auto [rows, columns, depth] = GENERATE(table<std::int64_t, std::int64_t, std::int64_t>(
      {{1, 1, 1}, {1, 40, 7}, {37, 3, 5}, {5, 71, 16}, {64, 64, 64}, {130, 96, 33}}));
  const Transposed transposed = GENERATE(Transposed::none, Transposed::first, Transposed::second);
  const bool first = transposed == Transposed::first, second = transposed == Transposed::second;
  // Views into something wider: what lies between rows must be neither read nor written.
  constexpr std::int64_t kGap = 3;
  const auto view = [&](std::vector<float>& data, std::int64_t r, std::int64_t c, unsigned seed) {
    data.assign(static_cast<std::size_t>(r * (c + kGap)), std::numeric_limits<float>::quiet_NaN());
    const Sequence values = random_sequence(1, r, c, seed);
    for (std::int64_t i = 0; i < r; ++i) std::copy_n(values.data.data() + i * c, c, data.data() + i * (c + kGap));
    return MatrixView{data.data(), r, c, c + kGap};
  };
  std::vector<float> a, b, expected, actual;
  const MatrixView av = first ? view(a, depth, rows, 1) : view(a, rows, depth, 1);
  const MatrixView bv = second ? view(b, columns, depth, 2) : view(b, depth, columns, 2);
  multiply_add(av, bv, view(expected, rows, columns, 3), transposed, Gemm::loops, 1);
  for (const Gemm gemm : {default_gemm(), Gemm::loops})
    for (const int threads : {1, 2, 3, 7, 41}) {
      CAPTURE(rows, columns, depth, static_cast<int>(transposed), static_cast<int>(gemm), threads);
      multiply_add(av, bv, view(actual, rows, columns, 3), transposed, gemm, threads);
      for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK((std::isnan(expected[i]) ? std::isnan(actual[i]) : std::fabs(actual[i] - expected[i]) < 1e-4f));
    }
}

TEST_CASE("dropout of the layers: a mask per seed, for any team and variant, and none outside training", "[layers]") {
  const Sequence x = random_sequence(2, 40, 24, 3), dy = random_sequence(2, 40, 24, 5);
  MultiHeadAttention layer = random_layer(kConfig, Form::fused);
  const Step one = step(layer, x, nullptr, dy, {.seed = 1});
  CHECK(difference(step(layer, x, nullptr, dy, {.threads = 3, .seed = 1}), one) < 1e-5);
  CHECK(difference(step(layer, x, nullptr, dy, {.variant = "naive", .backward_variant = "naive_backward", .seed = 1}),
                   one) < 1e-5);
  CHECK(difference(step(layer, x, nullptr, dy, {.seed = 2}), one) > 0.1);
  const auto zeros = std::count(one.y.data.begin(), one.y.data.end(), 0.0f);
  CHECK(std::abs(static_cast<double>(zeros) / one.y.data.size() - 0.3) < 0.05);
  MultiHeadConfig without = kConfig;
  without.dropout = without.output_dropout = 0;
  MultiHeadAttention plain = random_layer(without, Form::fused);
  CHECK(difference(step(layer, x, nullptr, dy, {.training = false, .seed = 1}), step(plain, x, nullptr, dy, {})) == 0);
}

TEST_CASE("the layers agree with torch.nn.MultiheadAttention", "[layers]") {
  const auto name = GENERATE("mha_self", "mha_causal", "mha_cross", "mha_one_head");
  const auto form = GENERATE(Form::per_head, Form::fused);
  CAPTURE(name);
  const Golden g = read_golden(name);
  CHECK(g.version == "2.13.0");
  MultiHeadAttention layer({.d_model = g.config.at("d_model"),
                            .heads = g.config.at("heads"),
                            .bias = g.config.at("bias") == 1,
                            .causal = g.config.at("causal") == 1,
                            .form = form});
  layer.weights.in.weight = g.tensors.at("in_weight");
  layer.weights.out.weight = g.tensors.at("out_weight");
  const bool bias = g.config.at("bias") == 1, cross = g.config.at("context") > 0;
  if (bias) layer.weights.in.bias = g.tensors.at("in_bias"), layer.weights.out.bias = g.tensors.at("out_bias");
  const Sequence context = cross ? sequence_of(g, "context") : Sequence();
  const Step s = step(layer, sequence_of(g, "x"), cross ? &context : nullptr, sequence_of(g, "dy"), {});
  CHECK(difference(s.y.data, g.tensors.at("y")) < 3e-6);
  CHECK(difference(s.dx.data, g.tensors.at("dx")) < 3e-6);
  CHECK(difference(s.gradients.in.weight, g.tensors.at("d_in_weight")) < 3e-6);
  CHECK(difference(s.gradients.out.weight, g.tensors.at("d_out_weight")) < 3e-6);
  if (cross) CHECK(difference(s.d_context.data, g.tensors.at("d_context")) < 3e-6);
  if (!bias) return;
  CHECK(difference(s.gradients.in.bias, g.tensors.at("d_in_bias")) < 3e-6);
  CHECK(difference(s.gradients.out.bias, g.tensors.at("d_out_bias")) < 3e-6);
}

TEST_CASE("every variant agrees with torch's scaled_dot_product_attention and its gradients", "[layers]") {
  const auto name = GENERATE("sdpa", "sdpa_causal", "sdpa_grouped", "sdpa_cross_grouped");
  CAPTURE(name);
  Golden g = read_golden(name);
  const auto view = [&](const std::string& tensor, std::vector<float>& data) {
    const std::vector<std::int64_t>& s = g.shapes.at(tensor);
    return dense_view(data.data(), {s[0], s[1], s[2], s[3]}, Layout::bhsd);
  };
  const auto golden_view = [&](const std::string& tensor) { return view(tensor, g.tensors.at(tensor)); };
  const bool causal = g.config.at("causal") == 1;
  std::vector<float> lse(g.config.at("batch") * g.config.at("heads") * g.config.at("q"));
  for (const Variant* row : native_rows(variant_table())) {
    CAPTURE(row->name);
    if (row->features & ATTN_BACKWARD || !takes_f32(*row)) continue;
    std::vector<float> o(g.tensors.at("o").size());
    attention(golden_view("q"), golden_view("k"), golden_view("v"), view("o", o),
              {.causal = causal, .lse = lse.data(), .variant = row->name});
    CHECK(difference(o, g.tensors.at("o")) < 3e-6);
  }
  for (const char* variant : {"naive_backward", "flash_backward"}) {
    CAPTURE(variant);
    std::vector<float> dq(g.tensors.at("q").size()), dk(g.tensors.at("k").size()), dv(g.tensors.at("v").size());
    attention_backward({.q = golden_view("q"),
                        .k = golden_view("k"),
                        .v = golden_view("v"),
                        .o = golden_view("o"),
                        .lse = lse.data(),
                        .do_ = golden_view("do"),
                        .dq = view("dq", dq),
                        .dk = view("dk", dk),
                        .dv = view("dv", dv)},
                       {.causal = causal, .variant = variant});
    CHECK(difference(dq, g.tensors.at("dq")) < 3e-6);
    CHECK(difference(dk, g.tensors.at("dk")) < 3e-6);
    CHECK(difference(dv, g.tensors.at("dv")) < 3e-6);
  }
}

TEST_CASE("OpenBLAS keeps the threads that its user set, whoever multiplies at once", "[layers]") {
  if (cblas().sgemm == nullptr) return;
  const int before = cblas().get_threads();
  cblas().set_threads(3);
  auto first = std::make_unique<OneThreadEach>(), second = std::make_unique<OneThreadEach>();
  first.reset();
  CHECK(cblas().get_threads() == 1);
  second.reset();
  CHECK(cblas().get_threads() == 3);

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      const std::vector<float> a(64, 1), b(64, 2);
      std::vector<float> c(64);
      for (int i = 0; i < 200; ++i)
        multiply_add({a.data(), 8, 8, 8}, {b.data(), 8, 8, 8}, {c.data(), 8, 8, 8}, Transposed::none, Gemm::blas, 1);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(cblas().get_threads() == 3);

  first = std::make_unique<OneThreadEach>();
  cblas().set_threads(2);  // its user's, meanwhile
  first.reset();
  CHECK(cblas().get_threads() == 2);
  cblas().set_threads(before);
}

TEST_CASE("layers refuse what does not fit, naming field, value and rule", "[layers]") {
  const auto config_refusal = [](const MultiHeadConfig& c) { return rejection([&] { MultiHeadAttention{c}; }); };
  CHECK(contains(config_refusal({.d_model = 10, .heads = 3}), "d_model=10 is not heads=3 times head_dim=3"));
  CHECK(contains(config_refusal({.d_model = 12, .heads = 3, .head_dim = 5}),
                 "d_model=12 is not heads=3 times head_dim=5"));
  CHECK(contains(config_refusal({.d_model = 12, .heads = 6, .kv_heads = 4}), "kv_heads=4 does not divide heads=6"));
  CHECK(contains(config_refusal({.d_model = 0, .heads = 1}), "d_model=0 is not at least 1"));
  CHECK(contains(config_refusal({.d_model = 4, .heads = 0}), "heads=0 is not at least 1"));
  CHECK(contains(config_refusal({.d_model = 4, .heads = 2, .dropout = 1}), "dropout=1 is not in [0, 1)"));
  CHECK(contains(config_refusal({.d_model = 4, .heads = 2, .output_dropout = -0.5}), "output_dropout=-0.5"));
  CHECK(contains(rejection([] { SingleHeadAttention{{.d_model = 4, .head_dim = 0}}; }), "head_dim=0"));
  CHECK(contains(rejection([] { SingleHeadAttention{{.d_model = 4, .head_dim = 4, .dropout = 2}}; }), "dropout=2"));
  CHECK(contains(rejection([] { SingleHeadAttention{{.d_model = 4, .head_dim = 4, .index = -1}}; }), "index=-1"));

  MultiHeadAttention layer({.d_model = 8, .heads = 2});
  Sequence y, dx;
  MultiHeadWeights gradients;
  const Sequence x(2, 3, 8);
  const auto refusal = [&](auto&& call) { return rejection(call); };
  CHECK(contains(refusal([&] { layer.backward(x, x, dx, gradients); }), "needs lse of a forward pass"));
  CHECK(contains(refusal([&] { layer.forward(Sequence(2, 3, 7), y); }), "x has 7 features"));
  CHECK(contains(refusal([&] { layer.forward(Sequence(2, 0, 8), y); }), "length=0"));
  CHECK(contains(refusal([&] { layer.forward(x, Sequence(3, 3, 8), y); }), "context has batch=3, x has batch=2"));
  CHECK(contains(refusal([&] { layer.forward(x, y, {.threads = 0}); }), "threads=0 is not between"));
  CHECK(contains(refusal([&] { layer.forward(x, y, {.variant = "nonsense"}); }), "variant 'nonsense' is not known"));
  layer.forward(x, y);
  CHECK(
      contains(refusal([&] { layer.backward(Sequence(2, 4, 8), x, dx, gradients); }),
               "x has batch=2 and length=4 with itself as context, the forward pass before had batch=2 and length=3"));
  CHECK(contains(refusal([&] {
                   Sequence d_context;
                   layer.backward(x, Sequence(2, 5, 8), x, dx, d_context, gradients);
                 }),
                 "with a context of length=5, the forward pass before had batch=2 and length=3 with itself"));
  CHECK(contains(refusal([&] {
                   Sequence d_context;
                   layer.backward(x, x, x, dx, d_context, gradients);
                 }),
                 "dx and d_context are two, x and context one"));
  const Sequence context(2, 3, 8);
  layer.forward(x, context, y);
  CHECK(contains(refusal([&] { layer.backward(x, context, x, dx, dx, gradients); }),
                 "dx and d_context are one, x and context two"));
  CHECK(contains(refusal([&] { layer.backward(x, x, dx, gradients); }), "had batch=2 and length=3 with a context"));
  CHECK(contains(refusal([&] { layer.forward(x, y, {.variant = "nonsense"}); }), "variant 'nonsense' is not known"));
  CHECK(contains(refusal([&] { layer.backward(x, x, dx, gradients); }), "and none went before"));
  layer.forward(x, y);
  CHECK(contains(refusal([&] { layer.backward(x, Sequence(2, 4, 8), dx, gradients); }), "dy has batch=2 and length=4"));
  layer.weights.in.weight.pop_back();
  CHECK(contains(refusal([&] { layer.forward(x, y); }), "weights.in has shape [24, 8] with 191 elements"));
  layer.weights.in = LinearWeights(24, 8, true);
  CHECK(contains(refusal([&] { layer.forward(x, y); }), "has a bias of 24 elements, the layer needs 0"));
  SingleHeadAttention head({.d_model = 8, .head_dim = 4});
  CHECK(contains(refusal([&] {
                   SingleHeadWeights g;
                   head.backward(x, Sequence(2, 3, 4), dx, g);
                 }),
                 "needs lse"));
  head.weights.k = LinearWeights(5, 8, false);
  CHECK(contains(refusal([&] { head.forward(x, y); }), "weights.k has shape [5, 8]"));
  std::vector<float> data(12);
  CHECK(contains(refusal([&] {
                   multiply_add({data.data(), 3, 4, 4}, {data.data(), 3, 4, 4}, {data.data(), 3, 4, 4},
                                Transposed::none, Gemm::loops, 1);
                 }),
                 "do not make one of 3 x 4"));
  for (const int threads : {0, -1})
    CHECK(contains(refusal([&] {
                     multiply_add({data.data(), 3, 3, 3}, {data.data(), 3, 3, 3}, {data.data(), 3, 3, 3},
                                  Transposed::none, default_gemm(), threads);
                   }),
                   "is not between 1 and"));
}

}  // namespace attn::test
