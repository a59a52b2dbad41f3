// The kernels' conversions of elements of 16 bits and of int8, on every ISA of this machine, against those of single numbers.
#include <bit>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "element_array.hpp"
#include "isa.hpp"

namespace attn::test {
namespace {

std::vector<const ElementArray*> rows_here() {
  std::vector<const ElementArray*> rows;
  for (const ElementArray* row : element_table())
    if (runs_here(*parse_isa(row->isa))) rows.push_back(row);
  REQUIRE(!rows.empty());
  return rows;
}

template <class E>
std::vector<E> all_halves() {
  std::vector<E> all;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) all.push_back({static_cast<std::uint16_t>(bits)});
  return all;
}

// Every number of E, what lies half way to the next one, and the floats beside both.
template <class E>
std::vector<float> rounding_boundaries() {
  std::vector<float> all;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = to_float(E{static_cast<std::uint16_t>(bits)});
    const float next = to_float(E{static_cast<std::uint16_t>(bits + 1)});
    const float half_way = std::isfinite(x) && std::isfinite(next) ? x / 2 + next / 2 : x;
    for (const float at : {x, half_way}) {
      const auto raw = std::bit_cast<std::uint32_t>(at);
      for (const std::uint32_t beside : {raw - 1, raw, raw + 1}) all.push_back(std::bit_cast<float>(beside));
    }
  }
  for (const float x : {65504.0f, 65519.996f, 65520.0f, 65536.0f, 3.4e38f, 1e-45f, 1.1754942e-38f})
    for (const float sign : {1.0f, -1.0f}) all.push_back(sign * x);
  for (const std::uint32_t nan : {0x7f800001u, 0x7fc00000u, 0xff812345u, 0x7fd57fd5u})
    all.push_back(std::bit_cast<float>(nan));
  while (all.size() % 16 != 0) all.push_back(0);
  return all;
}

// f16 hardware sets the quiet bit of a signalling NaN; which NaN it is matters to nobody else.
bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<int>(a) == std::bit_cast<int>(b);
}

template <class E>
void check_widening(const char* isa, void (*widen)(const E*, float*, std::int64_t)) {
  const std::vector<E> x = all_halves<E>();
  std::vector<float> y(x.size());
  widen(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!same(y[i], to_float(x[i]))) FAIL(isa << ": widened " << i << " to " << y[i]);
}

template <class E>
void check_rounding(const char* isa, void (*round)(const float*, E*, std::int64_t)) {
  const std::vector<float> x = rounding_boundaries<E>();
  std::vector<E> y(x.size());
  round(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const E expected = round_to<E>(x[i]);
    if (std::isnan(x[i]) ? !std::isnan(to_float(y[i])) : y[i].bits != expected.bits)
      FAIL(isa << ": rounded " << x[i] << " to " << y[i].bits << " instead of " << expected.bits);
  }
}

}  // namespace

TEST_CASE("kernels widen every 16-bit number exactly", "[half_vectors]") {
  for (const ElementArray* row : rows_here()) {
    check_widening(row->isa, row->widen_bf16);
    check_widening(row->isa, row->widen_pairs);
    check_widening(row->isa, row->widen_f16);
  }
}

TEST_CASE("kernels widen every int8 exactly", "[half_vectors]") {
  std::vector<Int8> x;
  for (int value = -128; value < 128; ++value) x.push_back({static_cast<std::int8_t>(value)});
  for (const ElementArray* row : rows_here()) {
    std::vector<float> y(x.size());
    row->widen_int8(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    CAPTURE(row->isa);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == static_cast<float>(i) - 128);
  }
}

TEST_CASE("kernels round to 16 bits as single numbers are rounded, at every boundary", "[half_vectors]") {
  for (const ElementArray* row : rows_here()) {
    check_rounding(row->isa, row->round_to_bf16);
    check_rounding(row->isa, row->round_to_f16);
  }
}

}  // namespace attn::test
