#include "machine/slowdown.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "base/timing.hpp"

namespace attn::bench {
namespace {

struct Slowdown {
  bool memory = false;
  double share = 0;
  std::string cases;  // a part of their names
};

Slowdown parse(const std::string& text) {
  const std::size_t kind = text.find(':'), percent = kind == std::string::npos ? kind : text.find(':', kind + 1);
  Slowdown slowdown;
  if (percent != std::string::npos) {
    slowdown = {.memory = text.starts_with("memory:"), .cases = text.substr(percent + 1)};
    std::from_chars(text.data() + kind + 1, text.data() + percent, slowdown.share);
  }
  if (!(slowdown.share > 0) || slowdown.cases.empty() || (!slowdown.memory && !text.starts_with("work:")))
    throw std::invalid_argument("ATTN_SLOWDOWN is '" + text + "'; valid: work:PERCENT:CASE, memory:PERCENT:CASE");
  slowdown.share /= 100;
  return slowdown;
}

const Slowdown& slowdown() {
  static const Slowdown slowdown = parse(slowdown_text());
  return slowdown;
}

// What the two readings of the clock around a call take from its time.
double readings_seconds() {
  static const double seconds = [] {
    constexpr int kReadings = 1000;
    const auto begin = Clock::now();
    for (int i = 1; i < kReadings; ++i) benchmark::DoNotOptimize(Clock::now());
    return 2 * seconds_since(begin) / kReadings;
  }();
  return seconds;
}

void spin(double seconds) {
  for (const auto begin = Clock::now(); seconds_since(begin) < seconds;) {
  }
}

// A cache line of every page of a head, going round the tensors, so that no prefetcher helps.
void read_scattered(const Args& args, double seconds) {
  constexpr std::size_t kStride = 4096 + 64, kReadsPerLook = 64;
  thread_local std::size_t at = 0;
  const auto keys = static_cast<std::size_t>(args.problem->seqlen_k);
  const auto element = static_cast<std::size_t>(has_int8_kv(*args.problem) ? 1 : element_bytes(*args.problem));
  const auto begin = Clock::now();
  do {
    for (const auto* tensor : {&args.k, &args.v}) {
      const auto* data = static_cast<const std::byte*>(tensor->data);
      const std::size_t bytes = ((keys - 1) * static_cast<std::size_t>(tensor->row_stride) + 1) * element;
      for (std::size_t i = 0; i < kReadsPerLook; ++i) benchmark::DoNotOptimize(data[(at += kStride) % bytes]);
    }
  } while (seconds_since(begin) < seconds);
}

// Short calls owe their share until it is long enough for the clock.
void run_longer(const Variant& original, const Args& args) {
  constexpr double kLeastSeconds = 20e-6;
  thread_local double owed = 0;
  const auto begin_of_call = Clock::now();
  original.run(&args);
  owed += slowdown().share * seconds_since(begin_of_call) - readings_seconds();
  if (owed < kLeastSeconds) return;
  const auto begin = Clock::now();
  slowdown().memory ? read_scattered(args, owed) : spin(owed);
  owed -= seconds_since(begin);
}

// A `run` is told its arguments alone: each variant that is slower has one of its own, which knows what it stands for.
constexpr std::size_t kMostVariants = 64;
std::array<const Variant*, kMostVariants> originals{};
std::array<Variant, kMostVariants> slower{};

template <std::size_t... i>
constexpr auto runs(std::index_sequence<i...>) {
  return std::array<void (*)(const Args*), sizeof...(i)>{[](const Args* args) { run_longer(*originals[i], *args); }...};
}
constexpr auto kRuns = runs(std::make_index_sequence<kMostVariants>());

}  // namespace

std::string slowdown_text() {
#if defined(ATTN_SLOWDOWN)
  if (const char* text = std::getenv("ATTN_SLOWDOWN")) return text;
#endif
  return {};
}

const Variant& with_slowdown(const Variant& variant, const std::string& case_name) {
  if (slowdown_text().empty() || case_name.find(slowdown().cases) == std::string::npos) return variant;
  for (std::size_t i = 0; i < kMostVariants; ++i) {
    if (originals[i] != nullptr && originals[i] != &variant) continue;
    originals[i] = &variant;
    slower[i] = variant;
    slower[i].run = kRuns[i];
    return slower[i];
  }
  throw std::invalid_argument("ATTN_SLOWDOWN names too many variants");
}

}  // namespace attn::bench
