// The kernels' exp2, on every ISA of this machine: what variants/detail/exp2.hpp promises.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "exp2_array.hpp"
#include "grid.hpp"
#include "isa.hpp"

namespace attn::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kBlock = 4096;

struct Function {
  const char *isa, *name;
  bool takes_infinities;
  void (*run)(const float* x, float* y, std::int64_t count);
};

// Those of ISAs that run here; a test that found none would be worth nothing.
std::vector<Function> functions_here() {
  std::vector<Function> functions;
  for (const Exp2Array* row : exp2_table()) {
    if (!runs_here(*parse_isa(row->isa))) continue;
    functions.push_back({row->isa, "exp2", true, row->exp2});
    functions.push_back({row->isa, "exp2_finite", false, row->exp2_finite});
  }
  REQUIRE(!functions.empty());
  return functions;
}

std::vector<float> exp2_of(const Function& f, std::vector<float> x) {
  const std::size_t count = x.size();
  x.resize((count + 15) / 16 * 16);
  std::vector<float> y(x.size());
  f.run(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  y.resize(count);
  return y;
}

float exp2_of(const Function& f, float x) { return exp2_of(f, std::vector{x})[0]; }

// |y - exact| in units in the last place of a float as large as exact. `exact` is a normal float's magnitude.
double error_ulp(float y, double exact) {
  return std::fabs(y - exact) / std::ldexp(1.0, std::ilogb(exact) - (std::numeric_limits<float>::digits - 1));
}

struct Worst {
  double ulp = 0;
  float x = 0;
};

// Largest error of each over every `stride`-th float from `first` to `last`, which have one sign.
std::vector<Worst> walk(const std::vector<Function>& functions, float first, float last, std::uint32_t stride) {
  std::vector<Worst> worst(functions.size());
  const auto [begin, end] = std::minmax({std::bit_cast<std::uint32_t>(first), std::bit_cast<std::uint32_t>(last)});
  std::vector<float> x, y(kBlock);
  std::vector<double> exact(kBlock);
  for (std::uint64_t bits = begin; bits <= end;) {
    for (x.clear(); x.size() < kBlock; bits += stride)
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(std::min<std::uint64_t>(bits, end))));
    for (std::size_t i = 0; i < kBlock; ++i) exact[i] = std::exp2(double{x[i]});
    for (std::size_t f = 0; f < functions.size(); ++f) {
      functions[f].run(x.data(), y.data(), kBlock);
      for (std::size_t i = 0; i < kBlock; ++i)
        if (const double error = error_ulp(y[i], exact[i]); !(error <= worst[f].ulp)) worst[f] = {error, x[i]};
    }
  }
  return worst;
}

void check_walk(float first, float last, std::uint32_t stride) {
  const std::vector<Function> functions = functions_here();
  const std::vector<Worst> worst = walk(functions, first, last, stride);
  for (std::size_t f = 0; f < functions.size(); ++f) {
    INFO(functions[f].isa << " " << functions[f].name << ": worst at x = " << worst[f].x);
    CHECK(worst[f].ulp <= 2);
  }
}

}  // namespace

// The result is a normal float between -126 and 127.5; a prime stride meets every low bit.
TEST_CASE("exp2 is within 2 ulp of the exact value wherever the result is a normal float", "[exp2]") {
  const std::uint32_t stride = test_grid() == Grid::full ? 419 : 20011;
  SECTION("negative") { check_walk(-0x1p-126f, -126.0f, stride); }
  SECTION("positive") { check_walk(0x1p-126f, std::nextafter(127.5f, 0.0f), stride); }
}

// Beside integers and halves the reduced argument is at its ends or changes sign.
TEST_CASE("exp2 is within 2 ulp right beside every integer and half", "[exp2]") {
  const float reach = test_grid() == Grid::full ? 10000 : 500;
  for (const float n : {-126.0f, -2.5f, -2.0f, -1.0f, -0.5f, 0.5f, 1.0f, 1.5f, 2.0f, 63.0f, 127.0f}) {
    const float step = std::nextafter(std::fabs(n), kInfinity) - std::fabs(n);
    if (n > -126) check_walk(n, n - reach * step, 1);
    check_walk(n, n + reach * step, 1);
  }
  check_walk(-0x1p-11f, -0x1p-10f, test_grid() == Grid::full ? 7 : 97);
}

TEST_CASE("exp2 of an integer is exact", "[exp2]") {
  for (const Function& f : functions_here()) {
    CAPTURE(f.isa, f.name);
    for (int n = -126; n <= 127; ++n) {
      CAPTURE(n);
      CHECK(exp2_of(f, static_cast<float>(n)) == std::ldexp(1.0f, n));
    }
    CHECK(exp2_of(f, -0.0f) == 1);
  }
}

TEST_CASE("exp2 keeps NaN and infinities, and ends in 0 and inf", "[exp2]") {
  for (const Function& f : functions_here()) {
    CAPTURE(f.isa, f.name);
    CHECK(std::isnan(exp2_of(f, std::numeric_limits<float>::quiet_NaN())));
    if (f.takes_infinities) {
      CHECK(exp2_of(f, -kInfinity) == 0);
      CHECK(exp2_of(f, kInfinity) == kInfinity);
    }
    for (const float x : {128.0f, 128.5f, 200.0f, 1e10f, std::numeric_limits<float>::max()})
      CHECK(exp2_of(f, x) == kInfinity);
    for (const float x : {-150.5f, -151.0f, -1000.0f, -1e10f, std::numeric_limits<float>::lowest()})
      CHECK(exp2_of(f, x) == 0);
    // What underflows is small or nothing, never large.
    for (float x = -126; x >= -150; x -= 0.25f) CHECK(exp2_of(f, x) <= 0x1p-126f);
  }
}

TEST_CASE("a lane of exp2 does not see its neighbours", "[exp2]") {
  for (const Function& f : functions_here()) {
    CAPTURE(f.isa, f.name);
    const std::vector<float> y =
        exp2_of(f, {-1e3f, 0, std::nanf(""), 3, 1e9f, -2, -1e9f, 1, -1e3f, 0, 5, 3, 1e9f, -2, -1e9f, 1});
    const std::vector<float> expected = {0, 1, 0, 8, kInfinity, 0.25f, 0, 2, 0, 1, 32, 8, kInfinity, 0.25f, 0, 2};
    for (std::size_t i = 0; i < y.size(); ++i)
      if (i != 2) CHECK(y[i] == expected[i]);
    CHECK(std::isnan(y[2]));
  }
}

}  // namespace attn::test
