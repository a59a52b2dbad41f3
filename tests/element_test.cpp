#include "element.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "aligned_buffer.hpp"
#include "catch.hpp"

namespace attn {
namespace {

constexpr std::uint32_t kCodes = 1 << 16;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The value of 16 bits by the definition of the format.
double defined_value(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const auto mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1));
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * kInfinity : std::nan("");
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + std::ldexp(1, mantissa_bits), exponent - bias - mantissa_bits);
}

template <class E>
constexpr int kExponentBits = std::is_same_v<E, Bf16> ? 8 : 5;

template <class E>
E of_bits(std::uint32_t bits) {
  return {static_cast<std::uint16_t>(bits)};
}

template <class E>
std::uint32_t first_infinite() {
  return static_cast<std::uint32_t>(((1 << kExponentBits<E>)-1) << (15 - kExponentBits<E>));
}

template <class Check>
void for_both(const Check& check) {
  check(Bf16{});
  check(F16{});
}

}  // namespace

TEST_CASE("every number of 16 bits is what its format says, and comes back", "[element]") {
  for_both([]<class E>(E) {
    int wrong = 0;
    for (std::uint32_t bits = 0; bits < kCodes; ++bits) {
      const double value = defined_value(bits, kExponentBits<E>, 15 - kExponentBits<E>);
      const float widened = to_float(of_bits<E>(bits));
      if (std::isnan(value)) {
        wrong += !std::isnan(widened) || !std::isnan(to_float(round_to<E>(widened)));
      } else {
        wrong += widened != value || std::signbit(widened) != (bits >> 15 != 0);
        wrong += round_to<E>(widened).bits != bits || round_to<E>(value).bits != bits;
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("rounding goes to the nearest number, between two of them to the even one", "[element]") {
  for_both([]<class E>(E) {
    int wrong = 0;
    // Beyond the largest number lies, for rounding, the one that the exponent of infinity would be.
    for (std::uint32_t bits = 0; bits < first_infinite<E>(); ++bits) {
      const double low = to_float(of_bits<E>(bits));
      const double quantum = bits == 0 ? to_float(of_bits<E>(1)) : low - to_float(of_bits<E>(bits - 1));
      const bool is_power = bits > 0 && (bits & ((1u << (15 - kExponentBits<E>)) - 1)) == 0 &&
                            bits >= 2u << (15 - kExponentBits<E>);  // whose next number is twice as far away
      const double middle = low + (is_power ? quantum : quantum / 2);
      const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
      const auto up = [](double x) { return std::nextafter(static_cast<float>(x), HUGE_VALF); };
      const auto down = [](double x) { return std::nextafter(static_cast<float>(x), -HUGE_VALF); };
      for (const double sign : {1.0, -1.0}) {
        const auto rounds = [&](auto x, std::uint32_t to) {
          using X = decltype(x);
          wrong += round_to<E>(static_cast<X>(sign) * x).bits != (to | (sign < 0 ? 0x8000u : 0u));
        };
        rounds(static_cast<float>(middle), even);
        rounds(middle, even);
        rounds(up(middle), bits + 1);
        rounds(down(middle), bits);
        // A double that float rounds to the middle, and that lies beside it all the same.
        rounds(std::nextafter(middle, kInfinity), bits + 1);
        rounds(std::nextafter(middle, 0.0), bits);
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("what is too large becomes infinite, NaN stays NaN", "[element]") {
  for_both([]<class E>(E) {
    const Element& element = element_of(kDtypeOf<E>);
    CHECK(to_float(round_to<E>(element.largest)) == element.largest);
    for (const double x : {1e300, kInfinity, 1.01 * element.largest}) {
      CHECK(std::isinf(to_float(round_to<E>(x))));
      CHECK(to_float(round_to<E>(-x)) == -kInfinity);
      CHECK(std::isinf(to_float(round_to<E>(static_cast<float>(x)))));
    }
    CHECK(to_float(round_to<E>(1e-300)) == 0);
    CHECK(to_float(round_to<E>(-1e-300)) == 0);
    CHECK(std::signbit(to_float(round_to<E>(-1e-300))));
    CHECK(std::isnan(to_float(round_to<E>(std::nan("")))));
    // All of whose payload is in the bits that are cut off.
    CHECK(std::isnan(to_float(round_to<E>(std::bit_cast<float>(0x7f800001u)))));
  });
}

TEST_CASE("int8 rounds to the nearest whole number, ties to even, and has every number's negative", "[element]") {
  for (int value = -127; value <= 127; ++value) {
    const auto whole = static_cast<float>(value);
    CHECK(to_float(Int8{static_cast<std::int8_t>(value)}) == whole);
    for (const float beside : {-0.5f, -0.49f, 0.0f, 0.49f, 0.5f})
      CHECK(to_float(round_to<Int8>(whole + beside)) == std::clamp(std::nearbyint(whole + beside), -127.0f, 127.0f));
    CHECK(to_float(round_to<Int8>(-to_float(round_to<Int8>(whole)))) == -whole);
  }
  for (const float x : {127.5f, 128.0f, 1e30f, HUGE_VALF}) {
    CHECK(round_to<Int8>(x).value == 127);
    CHECK(round_to<Int8>(-x).value == -127);
  }
  CHECK(round_to<Int8>(0x1.fffffep-2f).value == 0);
  CHECK(element_of(kInt8Dtype).bytes == sizeof(Int8));
}

TEST_CASE("the row of an element says what its numbers do", "[element]") {
  for (const Element& element : kElements) {
    INFO(element.name);
    CHECK(&element_of(element.dtype) == &element);
    const auto kept = [&](double x) {
      std::uint32_t memory = 0;
      double back = 0;
      write_elements(element.dtype, &x, 1, &memory);
      read_elements(element.dtype, &memory, 1, &back);
      return back;
    };
    CHECK(kept(1 + element.eps) == 1 + element.eps);
    CHECK(kept(1 + element.eps / 2) == 1);
    CHECK(kept(element.largest) == element.largest);
    CHECK(kept(element.least_normal) == element.least_normal);
    CHECK(kept(element.least_normal * (1 + element.eps / 2)) == element.least_normal);
    CHECK(with_element(element.dtype, []<class E>(E) { return sizeof(E); }) == static_cast<std::size_t>(element.bytes));
    float poison = 0;
    read_elements(element.dtype, &element.poison, 1, &poison);
    CHECK(std::isnan(poison));
    CHECK(element.poison == (element.bytes == 4 ? kPoison : kPoison & 0xffff));
  }
}

}  // namespace attn
