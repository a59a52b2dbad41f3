// Calls the library on tensors of its own and compares with a row by hand.
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "attention.hpp"

int main() {
  constexpr std::int64_t kHeads = 2, kRows = 5, kDim = 4, kCount = kHeads * kRows * kDim;
  std::vector<float> q(kCount), k(kCount), v(kCount), o(kCount, NAN);
  for (std::size_t i = 0; i < q.size(); ++i) {
    q[i] = static_cast<float>(i % 7) - 3;
    k[i] = static_cast<float>(i % 5) - 2;
    v[i] = static_cast<float>(i);
  }
  const auto view = [](std::vector<float>& values) {
    return attn::dense_view(values.data(), {1, kHeads, kRows, kDim}, attn::Layout::bhsd);
  };
  attn::attention(view(q), view(k), view(v), view(o), {.causal = true, .threads = 2});

  // The second query of the second head sees two keys.
  const std::size_t first_key = kRows * kDim, query = first_key + kDim;
  double probs[2] = {}, sum = 0;
  for (std::size_t j = 0; j < 2; ++j) {
    for (std::size_t d = 0; d < kDim; ++d) probs[j] += q[query + d] * k[first_key + j * kDim + d];
    sum += probs[j] = std::exp(probs[j] / 2);
  }
  for (std::size_t d = 0; d < kDim; ++d) {
    const double expected = (probs[0] * v[first_key + d] + probs[1] * v[first_key + kDim + d]) / sum;
    if (!(std::fabs(o[query + d] - expected) < 1e-5)) {
      std::printf("o[%zu] = %g, expected %g\n", d, o[query + d], expected);
      return 1;
    }
  }

  try {  // what does not fit is an exception that says so
    attn::attention(view(q), view(k), view(v), view(o), {.threads = 0});
    std::printf("a team of no threads was accepted\n");
    return 1;
  } catch (const std::invalid_argument& error) {
    std::printf("attention is right; threads = 0: %s\n", error.what());
  }
}
