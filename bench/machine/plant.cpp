#include "machine/plant.hpp"

#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdlib>
#include <stdexcept>

namespace attn::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Plant {
  bool memory = false;
  double share = 0;
  std::string cases;  // a part of their names
};

Plant parse(const std::string& text) {
  const std::size_t kind = text.find(':'), percent = kind == std::string::npos ? kind : text.find(':', kind + 1);
  Plant plant;
  if (percent != std::string::npos) {
    plant = {.memory = text.starts_with("memory:"), .cases = text.substr(percent + 1)};
    std::from_chars(text.data() + kind + 1, text.data() + percent, plant.share);
  }
  if (!(plant.share > 0) || plant.cases.empty() || (!plant.memory && !text.starts_with("work:")))
    throw std::invalid_argument("ATTN_PLANT is '" + text + "'; valid: work:PERCENT:CASE, memory:PERCENT:CASE");
  plant.share /= 100;
  return plant;
}

const Plant& plant() {
  static const Plant plant = parse(plant_text());
  return plant;
}

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// What the two readings of the clock around a call take from its time.
double clock_seconds() {
  static const double seconds = [] {
    constexpr int kReadings = 1000;
    const auto begin = Clock::now();
    for (int i = 1; i < kReadings; ++i) benchmark::DoNotOptimize(Clock::now());
    return 2 * seconds_between(begin, Clock::now()) / kReadings;
  }();
  return seconds;
}

void spin(double seconds) {
  for (const auto begin = Clock::now(); seconds_between(begin, Clock::now()) < seconds;) {
  }
}

// A cache line of every page, going round the tensors, so that no prefetcher helps.
void read_scattered(const Inputs& inputs, double seconds) {
  constexpr std::size_t kStride = (4096 + 64) / sizeof(float), kReadsPerLook = 64;
  thread_local std::size_t at = 0;
  const auto begin = Clock::now();
  do {
    for (const TensorView* view : {&inputs.tensors().k, &inputs.tensors().v}) {
      const auto* data = static_cast<const float*>(view->data);
      const auto count =
          static_cast<std::size_t>((view->shape[2] - 1) * view->stride[2] + view->shape[3]);  // of a head
      for (std::size_t i = 0; i < kReadsPerLook; ++i) benchmark::DoNotOptimize(data[(at += kStride) % count]);
    }
  } while (seconds_between(begin, Clock::now()) < seconds);
}

}  // namespace

std::string plant_text() {
#if defined(ATTN_PLANT)
  if (const char* text = std::getenv("ATTN_PLANT")) return text;
#endif
  return {};
}

bool is_planted(const std::string& case_name) {
  return !plant_text().empty() && case_name.find(plant().cases) != std::string::npos;
}

// Short calls owe their share until it is long enough for the clock.
PlantedCall::~PlantedCall() {
  constexpr double kLeastSeconds = 20e-6;
  thread_local double owed = 0;
  owed += plant().share * seconds_between(begin_, Clock::now()) - clock_seconds();
  if (owed < kLeastSeconds) return;
  const auto begin = Clock::now();
  plant().memory ? read_scattered(inputs_, owed) : spin(owed);
  owed -= seconds_between(begin, Clock::now());
}

}  // namespace attn::bench
