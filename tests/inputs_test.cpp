// Setups: what the fills hold, where the tensors lie, what the hash sees.
#include "inputs.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "catch.hpp"
#include "reference.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

Inputs make(std::string_view text, std::uint64_t seed = 1, Placement placement = Placement::aligned) {
  const Workload w = parse_workload(text);
  return Inputs(w.problem, w.setup, seed, placement);
}

std::vector<float> values(const TensorView& t) {
  std::vector<float> result;
  for_each_element(t, [&](float& x, auto...) { result.push_back(x); });
  return result;
}

struct Moments {
  double mean = 0, variance = 0, largest = 0;
};

Moments moments(const std::vector<float>& xs) {
  Moments m;
  for (const float x : xs)
    m.mean += x, m.variance += double{x} * x, m.largest = std::max(m.largest, std::fabs(double{x}));
  m.mean /= static_cast<double>(xs.size());
  m.variance = m.variance / static_cast<double>(xs.size()) - m.mean * m.mean;
  return m;
}

// softmax_scale * q_i.k_j of head 0.
double score(const Problem& p, const Tensors& t, std::int64_t i, std::int64_t j) {
  double sum = 0;
  for (std::int64_t d = 0; d < p.head_dim; ++d)
    sum += double{row_of<float>(t.q, 0, 0, i)[d]} * row_of<float>(t.k, 0, 0, j)[d];
  return sum * softmax_scale(p);
}

bool is_poison(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits == kPoison;
}

}  // namespace

TEST_CASE("a value depends on seed, tensor and index, never on layout", "[inputs]") {
  const auto fill = GENERATE(from_range(kFillNames.begin(), kFillNames.begin() + kSeededFills));
  const std::string text = std::string("b:2/h:4/hkv:2/q:5/d:3/fill:") + fill;
  CAPTURE(text);
  const Inputs bhsd = make(text), bshd = make(text + "/layout:bshd"), packed = make(text + "/layout:packed");
  for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v}) {
    CHECK(values(bhsd.tensors().*tensor) == values(bshd.tensors().*tensor));
    CHECK(values(bhsd.tensors().*tensor) == values(packed.tensors().*tensor));
  }
}

TEST_CASE("the same seed gives the same inputs, another seed others", "[inputs]") {
  const auto text = "h:2/q:5/d:8";
  CHECK(make(text, 7).hash() == make(text, 7).hash());
  CHECK(make(text, 7).hash() != make(text, 8).hash());
}

TEST_CASE("a copy holds the same inputs in other memory", "[inputs]") {
  const auto layout = GENERATE("bhsd", "bshd", "packed");
  const Workload w = parse_workload(std::string("b:2/h:4/hkv:2/q:5/d:3/lse:1/layout:") + layout);
  const Inputs first(w.problem, w.setup, 1), second = first.copy(w.problem, w.setup);
  CHECK(second.hash() == first.hash());
  for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v, &Tensors::o}) {
    CHECK((second.tensors().*tensor).data != (first.tensors().*tensor).data);
    CHECK((second.tensors().*tensor).stride == (first.tensors().*tensor).stride);
  }
  for (const float x : values(second.tensors().o)) CHECK(is_poison(x));
  CHECK(is_poison(second.tensors().lse[0]));
  set_all(second.tensors().k, 1);
  CHECK(second.hash() != first.hash());
}

TEST_CASE("q, k and v are filled independently", "[inputs]") {
  const Inputs inputs = make("h:2/q:50/d:50");
  const auto q = values(inputs.tensors().q), k = values(inputs.tensors().k), v = values(inputs.tensors().v);
  const auto correlation = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t e = 0; e < a.size(); ++e) sum += double{a[e]} * b[e];
    return sum / static_cast<double>(a.size());
  };
  // 5 standard errors of 5000 products.
  CHECK(std::fabs(correlation(q, k)) < 0.071);
  CHECK(std::fabs(correlation(q, v)) < 0.071);
  CHECK(std::fabs(correlation(k, v)) < 0.071);
}

TEST_CASE("normal has zero mean and unit variance, uniform fills [-1, 1)", "[inputs]") {
  const Moments normal = moments(values(make("h:4/q:500/d:50").tensors().v));
  CHECK(std::fabs(normal.mean) < 5 / std::sqrt(1e5));
  CHECK(std::fabs(normal.variance - 1) < 5 * std::sqrt(2 / 1e5));
  CHECK(normal.largest > 2.5);
  const Moments uniform = moments(values(make("h:4/q:500/d:50/fill:uniform").tensors().v));
  CHECK(std::fabs(uniform.mean) < 5 * std::sqrt(1 / 3.0 / 1e5));
  CHECK(std::fabs(uniform.variance - 1 / 3.0) < 0.01);
  CHECK(uniform.largest <= 1);
  CHECK(uniform.largest > 0.999);
}

TEST_CASE("a fill does to the scores what its purpose says", "[inputs]") {
  const Problem p = parse_problem("h:1/q:8/k:256/d:64");
  const auto spread = [&](Fill fill, std::int64_t from, std::int64_t to) {
    const Inputs inputs(p, {.fill = fill}, 1);
    double sum = 0;
    for (std::int64_t i = 0; i < p.seqlen_q; ++i)
      sum += score(p, inputs.tensors(), i, to) - score(p, inputs.tensors(), i, from);
    return sum / static_cast<double>(p.seqlen_q);
  };
  CHECK(spread(Fill::ascending, 0, 255) > 30);
  CHECK(spread(Fill::descending, 0, 255) < -30);
  CHECK(std::fabs(spread(Fill::uniform, 0, 255)) < 2);
  const Inputs peaked(p, {.fill = Fill::peaked}, 1);
  double largest = 0;
  for (std::int64_t j = 0; j < p.seqlen_k; ++j) largest = std::max(largest, score(p, peaked.tensors(), 0, j));
  CHECK(largest > 8);
}

TEST_CASE("integers, ones, one_hot, constant, denormal, bf16 and f16 hold what they are called", "[inputs]") {
  const auto of = [](const char* fill) { return make(std::string("h:2/q:40/d:24/fill:") + fill); };
  const auto all = [](const Inputs& inputs, auto&& holds) {
    bool result = true;
    for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v})
      for (const float x : values(inputs.tensors().*tensor)) result = result && holds(x);
    return result;
  };
  const auto bits = [](float x) { return std::bit_cast<std::uint32_t>(x); };
  const Inputs integers = of("integers");
  CHECK(all(integers, [](float x) { return x == std::round(x) && std::fabs(x) <= 8; }));
  const std::vector<float> q = values(integers.tensors().q);
  CHECK(std::set<float>(q.begin(), q.end()).size() == 17);
  for (const float x : values(of("ones").tensors().v)) CHECK(x == 1);
  CHECK(all(of("denormal"), [](float x) { return std::fabs(x) < std::numeric_limits<float>::min(); }));
  CHECK(moments(values(of("denormal").tensors().v)).largest > 0);
  CHECK(all(of("bf16"), [&](float x) { return (bits(x) & 0xffff) == 0; }));
  CHECK(all(of("f16"), [&](float x) { return (bits(x) & 0x1fff) == 0 || std::fabs(x) < 0x1p-14f; }));
  CHECK(all(of("f16"), [&](float x) { return x * 0x1p24f == std::round(x * 0x1p24f); }));
  const std::vector<float> normal = values(make("h:2/q:40/d:24").tensors().v), bf16 = values(of("bf16").tensors().v),
                           f16 = values(of("f16").tensors().v);
  for (std::size_t e = 0; e < normal.size(); ++e) {
    CHECK(std::fabs(bf16[e] - normal[e]) <= std::ldexp(std::fabs(normal[e]), -8));
    CHECK(std::fabs(f16[e] - normal[e]) <= std::ldexp(std::fabs(normal[e]), -11) + 0x1p-25f);
  }
  const Inputs one_hot = of("one_hot"), constant = of("constant");
  for (std::int64_t i = 0; i < 40; ++i) {
    const float* row = row_of<float>(one_hot.tensors().k, 0, 1, i);
    CHECK((std::count(row, row + 24, 1.0f) == 1 && std::count(row, row + 24, 0.0f) == 23));
    row = row_of<float>(constant.tensors().k, 0, 1, i);
    CHECK(std::count(row, row + 24, row[0]) == 24);
  }
}

TEST_CASE("steep rises by 4 a key", "[inputs]") {
  const Problem p = parse_problem("h:1/q:8/k:100/d:16");
  const Inputs inputs(p, {.fill = Fill::steep}, 1);
  double rise = 0;
  for (std::int64_t i = 0; i < 8; ++i) rise += score(p, inputs.tensors(), i, 99) - score(p, inputs.tensors(), i, 0);
  CHECK(std::fabs(rise / 8 - 4 * 99) < 5);
}

TEST_CASE("needle: every key is nearly alone in the softmax of a query", "[inputs]") {
  // The share of the weight that a key has of its queries' at most; with fewer queries than keys it has peers.
  const auto [text, share] = GENERATE(table<std::string, double>({{"h:2/q:300/d:64", 0.99},
                                                                  {"h:2/q:300/d:64/mask:causal", 0.99},
                                                                  {"h:4/hkv:1/q:75/k:300/d:64", 0.99},
                                                                  {"h:1/q:300/k:90/d:64", 0.99},
                                                                  {"h:1/q:100/k:300/d:64", 0.33},
                                                                  {"h:1/q:300/d:32", 0.5}}));
  CAPTURE(text);
  const Problem p = parse_problem(text);
  const Inputs inputs(p, {.fill = Fill::needle}, 1);
  const Tensors& t = inputs.tensors();
  std::vector<double> largest(static_cast<std::size_t>(p.seqlen_k));
  for (std::int64_t h = 0; h < p.heads / p.kv_heads; ++h)
    for (std::int64_t i = 0; i < p.seqlen_q; ++i) {
      const KeyRange keys = visible_keys(p, i);
      std::vector<double> weights;
      double sum = 0;
      for (std::int64_t j = keys.begin; j < keys.end; ++j) {
        double dot = 0;
        for (std::int64_t d = 0; d < p.head_dim; ++d)
          dot += double{row_of<float>(t.q, 0, h, i)[d]} * row_of<float>(t.k, 0, 0, j)[d];
        sum += weights.emplace_back(std::exp(dot * softmax_scale(p)));
      }
      for (std::int64_t j = keys.begin; j < keys.end; ++j)
        largest[j] = std::max(largest[j], weights[j - keys.begin] / sum);
    }
  CHECK(std::count_if(largest.begin(), largest.end(), [least = share](double weight) { return weight >= least; }) >=
        p.seqlen_k * 97 / 100);
}

TEST_CASE("every fill is finite for every seed tried", "[inputs]") {
  for (std::size_t fill = 0; fill < kSeededFills; ++fill)
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const Inputs inputs(parse_problem("h:1/q:7/d:3"), {.fill = static_cast<Fill>(fill)}, seed);
      for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v})
        for (const float x : values(inputs.tensors().*tensor)) CHECK(std::isfinite(x));
    }
}

TEST_CASE("the hash changes when any element of an input changes", "[inputs]") {
  const auto layout = GENERATE("bhsd", "bshd", "packed");
  const Inputs inputs = make(std::string("b:2/h:2/q:3/d:5/layout:") + layout);
  const std::uint64_t before = inputs.hash();
  for (const auto tensor : {&Tensors::q, &Tensors::k, &Tensors::v})
    for_each_element(inputs.tensors().*tensor, [&](float& x, auto...) {
      const float saved = std::exchange(x, std::nextafter(x, 100.0f));
      CHECK(inputs.hash() != before);
      x = saved;
    });
  CHECK(inputs.hash() == before);
  set_all(inputs.tensors().o, 1);
  CHECK(inputs.hash() == before);
}

TEST_CASE("dense layouts have the strides of their names", "[inputs]") {
  using Strides = std::array<std::int64_t, 4>;
  CHECK(make("b:2/h:3/q:5/d:7").tensors().q.stride == Strides{105, 35, 7, 1});
  CHECK(make("b:2/h:3/q:5/d:7/layout:bshd").tensors().q.stride == Strides{105, 7, 21, 1});
}

TEST_CASE("packed lays q, k and v of a token side by side in one buffer", "[inputs]") {
  const Inputs inputs = make("b:2/h:4/hkv:2/q:5/d:3/layout:packed");
  const Tensors& t = inputs.tensors();
  const auto* q = static_cast<float*>(t.q.data);
  CHECK(static_cast<float*>(t.k.data) == q + 4 * 3);
  CHECK(static_cast<float*>(t.v.data) == q + 6 * 3);
  for (const auto& stride : {t.q.stride, t.k.stride, t.v.stride})
    CHECK(stride == std::array<std::int64_t, 4>{5 * 8 * 3, 3, 8 * 3, 1});
  CHECK(t.o.stride == std::array<std::int64_t, 4>{5 * 4 * 3, 3, 4 * 3, 1});  // o is bshd
}

TEST_CASE("outputs start poisoned and can be poisoned again; lse exists when asked for", "[inputs]") {
  const Inputs inputs = make("h:2/q:3/d:5/lse:1");
  REQUIRE(inputs.tensors().lse != nullptr);
  CHECK(make("h:2/q:3/d:5").tensors().lse == nullptr);
  for (int round = 0; round < 2; ++round) {
    for (const float x : values(inputs.tensors().o)) CHECK(is_poison(x));
    for (int r = 0; r < 6; ++r) CHECK(is_poison(inputs.tensors().lse[r]));
    set_all(inputs.tensors().o, 1);
    std::fill_n(inputs.tensors().lse, 6, 1.0f);
    inputs.poison_outputs();
  }
}

TEST_CASE("a buffer is 64-byte aligned, or ends where its page ends", "[inputs]") {
  for (const std::size_t bytes : {0, 4, 60, 64, 4096, 4100, 65536}) {
    const AlignedBuffer aligned(bytes), fenced(bytes, Placement::ends_at_guard);
    CAPTURE(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(aligned.data()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(fenced.data() + bytes) % 4096 == 0);
    for (const AlignedBuffer* buffer : {&aligned, &fenced}) {
      CHECK(buffer->size() == bytes);
      for (const std::byte b : buffer->bytes()) CHECK(b == std::byte{0});
    }
  }
  CHECK_THROWS_AS(AlignedBuffer(SIZE_MAX - 4096), std::bad_alloc);
}

TEST_CASE("a buffer moves its memory and frees it once", "[inputs]") {
  AlignedBuffer a(100);
  std::byte* const data = a.data();
  AlignedBuffer b(std::move(a));
  CHECK(b.data() == data);
  AlignedBuffer c;
  c = std::move(b);
  CHECK(c.data() == data);
  CHECK(c.size() == 100);
}

TEST_CASE("with guard placement every tensor ends at its guard page", "[inputs]") {
  const Inputs inputs = make("b:2/h:3/q:5/k:6/d:7/dv:9/lse:1", 1, Placement::ends_at_guard);
  const Tensors& t = inputs.tensors();
  for (const TensorView* view : {&t.q, &t.k, &t.v, &t.o}) {
    const auto* end = static_cast<float*>(view->data) + elements(view->shape);
    CHECK(reinterpret_cast<std::uintptr_t>(end) % 4096 == 0);
  }
  CHECK(reinterpret_cast<std::uintptr_t>(t.lse + 2 * 3 * 5) % 4096 == 0);
}

TEST_CASE("packed is refused where it cannot be", "[inputs]") {
  const Setup packed{.layout = Layout::packed};
  CHECK(contains(rejection([&] { Inputs(parse_problem("h:1/q:2/k:3/d:4"), packed, 1); }), "packed"));
  CHECK(contains(rejection([&] { Inputs(parse_problem("h:1/q:2/d:4/dv:5"), packed, 1); }), "packed"));
  CHECK(inputs_bytes(parse_problem("h:2/q:3/d:4")) == 4 * 4 * 2 * 3 * 4);
}

}  // namespace attn::test
