// A worked example: trains a small causal model of two attention layers to say a sequence backwards.
//
//   input   t1 t2 ... tn SEP rn ... r2     (r is t: the answer so far is fed back)
//   target   -  - ...  - tn ... t2  t1     (what comes after SEP counts)
//
// x0 = token embedding + position embedding; x1 = x0 + attention(x0); x2 = x1 + attention(x1); logits = Linear(x2). The
// loss is cross entropy, its gradient goes back through the same layers, Adam moves the weights.
// Exit code 0 when the loss falls below kGoal (guessing gives ln 8 = 2.08) and a new sequence is answered rightly; else 1.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "layers/attention_layers.hpp"

namespace {

using namespace attn::layers;

constexpr std::int64_t kSymbols = 8, kSeparator = kSymbols, kVocabulary = kSymbols + 1;
constexpr std::int64_t kCount = 8, kLength = 2 * kCount;  // n; tokens that the model sees
constexpr std::int64_t kBatch = 32, kModel = 32, kHeads = 4;
constexpr double kGoal = 0.05;
constexpr int kMaxSteps = 3000;

using Tokens = std::vector<std::int64_t>;  // [batch, kLength]

// Everything that is learned; the same struct holds its gradients.
struct Weights {
  LinearWeights tokens{kVocabulary, kModel, false}, positions{kLength, kModel, false}, logits{kSymbols, kModel, true};
  MultiHeadWeights attention[2];

  std::vector<std::vector<float>*> all() {
    std::vector<std::vector<float>*> parts = {&tokens.weight, &positions.weight, &logits.weight, &logits.bias};
    for (MultiHeadWeights& w : attention)
      for (LinearWeights* linear : {&w.in, &w.out}) parts.push_back(&linear->weight), parts.push_back(&linear->bias);
    return parts;
  }
};

struct Model {
  MultiHeadAttention layers[2] = {MultiHeadAttention({.d_model = kModel, .heads = kHeads, .causal = true}),
                                  MultiHeadAttention({.d_model = kModel, .heads = kHeads, .causal = true})};
  Weights weights;
  Sequence x[3];  // the residual stream before, between and behind the layers

  explicit Model(std::mt19937_64& random) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(kModel)));
    for (LinearWeights* embedding : {&weights.tokens, &weights.positions})
      for (float& w : embedding->weight) w = normal(random);
    for (int i = 0; i < 2; ++i) {
      layers[i].init(random());
      weights.attention[i] = layers[i].weights;
    }
    init(weights.logits, random());
  }

  // Logits [batch, kLength, kSymbols].
  Sequence forward(const Tokens& tokens, std::int64_t batch) {
    x[0] = Sequence(batch, kLength, kModel);
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t i = 0; i < kLength; ++i)
        for (std::int64_t d = 0; d < kModel; ++d)
          x[0].token(b, i)[d] =
              weights.tokens.weight[tokens[b * kLength + i] * kModel + d] + weights.positions.weight[i * kModel + d];
    for (int layer = 0; layer < 2; ++layer) {
      layers[layer].weights = weights.attention[layer];
      layers[layer].forward(x[layer], x[layer + 1]);
      for (std::size_t e = 0; e < x[0].data.size(); ++e) x[layer + 1].data[e] += x[layer].data[e];
    }
    Sequence logits(batch, kLength, kSymbols);
    linear(x[2].matrix(), all_of(weights.logits), logits.matrix(), default_gemm(), 1);
    return logits;
  }

  // From the gradient of the logits.
  Weights backward(const Tokens& tokens, const Sequence& d_logits) {
    Weights gradients;
    Sequence dx(x[2].batch, kLength, kModel);
    linear_backward(x[2].matrix(), all_of(weights.logits), d_logits.matrix(), dx.matrix(), gradients.logits,
                    default_gemm(), 1);
    for (int layer = 1; layer >= 0; --layer) {
      Sequence through;  // the layer; dx itself goes past it
      layers[layer].backward(x[layer], dx, through, gradients.attention[layer]);
      for (std::size_t e = 0; e < dx.data.size(); ++e) dx.data[e] += through.data[e];
    }
    for (std::int64_t b = 0; b < dx.batch; ++b)
      for (std::int64_t i = 0; i < kLength; ++i)
        for (std::int64_t d = 0; d < kModel; ++d) {
          gradients.tokens.weight[tokens[b * kLength + i] * kModel + d] += dx.token(b, i)[d];
          gradients.positions.weight[i * kModel + d] += dx.token(b, i)[d];
        }
    return gradients;
  }
};

// Kingma, Ba, "Adam" (2015).
class Adam {
 public:
  void step(Weights& weights, Weights& gradients) {
    constexpr float kRate = 3e-3f, kFirst = 0.9f, kSecond = 0.99f, kSmall = 1e-8f;
    const auto parts = weights.all(), slopes = gradients.all();
    moments_.resize(parts.size());
    ++steps_;
    const float unbias1 = 1 - std::pow(kFirst, steps_), unbias2 = 1 - std::pow(kSecond, steps_);
    for (std::size_t part = 0; part < parts.size(); ++part) {
      moments_[part].resize(parts[part]->size());
      for (std::size_t e = 0; e < parts[part]->size(); ++e) {
        auto& [mean, square] = moments_[part][e];
        const float slope = (*slopes[part])[e];
        mean += (1 - kFirst) * (slope - mean);
        square += (1 - kSecond) * (slope * slope - square);
        (*parts[part])[e] -= kRate * (mean / unbias1) / (std::sqrt(square / unbias2) + kSmall);
      }
    }
  }

 private:
  float steps_ = 0;
  std::vector<std::vector<std::pair<float, float>>> moments_;
};

// Mean cross entropy of the answers, and its gradient.
double cross_entropy(const Tokens& tokens, const Sequence& logits, Sequence& d_logits) {
  d_logits = Sequence(logits.batch, kLength, kSymbols);
  const double count = static_cast<double>(logits.batch * kCount);
  double loss = 0;
  for (std::int64_t b = 0; b < logits.batch; ++b)
    for (std::int64_t i = kCount; i < kLength; ++i) {
      const float* score = logits.token(b, i);
      const std::int64_t answer = tokens[b * kLength + kLength - 1 - i];
      const float largest = *std::max_element(score, score + kSymbols);
      double sum = 0;
      for (std::int64_t s = 0; s < kSymbols; ++s) sum += std::exp(score[s] - largest);
      loss += (std::log(sum) + largest - score[answer]) / count;
      for (std::int64_t s = 0; s < kSymbols; ++s)
        d_logits.token(b, i)[s] = static_cast<float>((std::exp(score[s] - largest) / sum - (s == answer)) / count);
    }
  return loss;
}

Tokens random_tokens(std::int64_t batch, std::mt19937_64& random) {
  Tokens tokens(static_cast<std::size_t>(batch * kLength));
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int64_t* row = tokens.data() + b * kLength;
    for (std::int64_t i = 0; i < kCount; ++i) row[i] = static_cast<std::int64_t>(random() % kSymbols);
    row[kCount] = kSeparator;
    for (std::int64_t i = 1; i < kCount; ++i) row[kCount + i] = row[kCount - i];
  }
  return tokens;
}

// Lets the model answer: each symbol that it says is fed back.
Tokens answer(Model& model, Tokens tokens) {
  Tokens said;
  for (std::int64_t i = kCount; i < kLength; ++i) {
    const Sequence logits = model.forward(tokens, 1);
    const float* score = logits.token(0, i);
    said.push_back(std::max_element(score, score + kSymbols) - score);
    if (i + 1 < kLength) tokens[i + 1] = said.back();
  }
  return said;
}

}  // namespace

int main() {
  const auto begin = std::chrono::steady_clock::now();
  std::mt19937_64 random(1);
  Model model(random);
  Adam adam;
  double loss = 0;
  int step = 0;
  for (; step < kMaxSteps; ++step) {
    const Tokens tokens = random_tokens(kBatch, random);
    Sequence d_logits;
    loss = cross_entropy(tokens, model.forward(tokens, kBatch), d_logits);
    if (step % 100 == 0) fmt::print("step {:4}  loss {:.3f}\n", step, loss);
    if (loss < kGoal) break;
    Weights gradients = model.backward(tokens, d_logits);
    adam.step(model.weights, gradients);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("step {:4}  loss {:.3f} after {:.1f} s; the goal is {}\n", step, loss, seconds, kGoal);

  const Tokens question = random_tokens(1, random);
  const Tokens symbols(question.begin(), question.begin() + kCount), said = answer(model, question);
  fmt::print("{} backwards: {}\n", fmt::join(symbols, " "), fmt::join(said, " "));
  const bool right = std::equal(symbols.rbegin(), symbols.rend(), said.begin());
  return loss < kGoal && right ? 0 : 1;
}
