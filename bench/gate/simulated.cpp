#include "gate/simulated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace attn::bench::gate {
namespace {

constexpr double kLaunchSeconds = 0.03, kPrepSeconds = 0.005, kIterationSeconds = 2.5e-3;
constexpr double kDriftStepSeconds = 0.01;  // the drift is constant for so long

}  // namespace

class SimulatedSide : public Side {
 public:
  SimulatedSide(SimulatedMachine& machine, std::string name, std::vector<std::string> cases, SimulatedBuild build)
      : machine_(machine), name_(std::move(name)), cases_(std::move(cases)), build_(std::move(build)) {}

  Facts launch(std::uint64_t) override {
    if (build_.fault == Fault::dies_at_launch)
      throw SideFailure(name_ + " ended with exit 127 before it said anything");
    machine_.work(kLaunchSeconds);
    placement_.clear();
    speed_ = machine_.normal(machine_.noise_.process);
    launched_last_ = ++machine_.launches_ % machine_.sides_ == 0;
    machine_.prepared_.clear();
    return build_.facts;
  }

  void prep(const std::string& name) override {
    if (std::find(cases_.begin(), cases_.end(), name) == cases_.end())
      throw SideFailure(fmt::format("{} does not know the case {}", name_, name));
    machine_.work(kPrepSeconds);
    const bool first = std::exchange(machine_.prepared_, name) != name;
    placement_[name] = speed_ + machine_.normal(machine_.noise_.launch) + (first ? machine_.noise_.first_prepared : 0);
    if (build_.fault == Fault::computes_wrongly) throw WrongResult(name_ + ": o is wrong in row 0");
  }

  Chunk run(const std::string& name, std::int64_t iterations) override {
    if (build_.runs_until_fault-- <= 0) {
      if (build_.fault == Fault::crashes) throw SideFailure(name_ + " crashed (signal 11)");
      if (build_.fault == Fault::hangs) throw SideFailure(name_ + " did not answer within 60 s");
    }
    const auto slower = build_.slower.find(name);
    const double factor = build_.slower_everywhere * (slower == build_.slower.end() ? 1 : slower->second) *
                          std::exp(placement_.at(name) + machine_.normal(machine_.noise_.chunk) +
                                   (launched_last_ ? machine_.noise_.last_launched : 0));
    Chunk chunk{};
    chunk.cpu_ns = 1e9 * machine_.work(static_cast<double>(iterations) * kIterationSeconds * factor);
    std::bernoulli_distribution preempted(std::min(1.0, chunk.cpu_ns * 1e-9 * machine_.noise_.preemptions_per_second));
    chunk.involuntary_switches = preempted(machine_.random_);
    const double lost_ns = chunk.involuntary_switches > 0 ? machine_.noise_.preemption_ns : 0;
    machine_.now_ += lost_ns * 1e-9;
    chunk.wall_ns = chunk.cpu_ns + lost_ns;
    return chunk;
  }

 private:
  SimulatedMachine& machine_;
  std::string name_;
  std::vector<std::string> cases_;
  SimulatedBuild build_;
  std::map<std::string, double> placement_;
  double speed_ = 0;
  bool launched_last_ = false;
};

SimulatedMachine::SimulatedMachine(const Noise& noise, std::uint64_t seed)
    : noise_(noise),
      random_(seed),
      phase_(std::uniform_real_distribution<double>(0, 2 * std::numbers::pi)(random_)),
      burst_{.begin = 0, .end = 0, .factor = 1} {}

std::unique_ptr<Side> SimulatedMachine::add(std::string name, std::vector<std::string> cases, SimulatedBuild build) {
  ++sides_;
  return std::make_unique<SimulatedSide>(*this, std::move(name), std::move(cases), std::move(build));
}

double SimulatedMachine::normal(double deviation) {
  return deviation > 0 ? std::normal_distribution<double>(0, deviation)(random_) : 0;
}

std::pair<double, double> SimulatedMachine::slowness() {
  while (noise_.bursts_per_second > 0 && now_ >= burst_.end) {
    const double begin = burst_.end + std::exponential_distribution<double>(noise_.bursts_per_second)(random_);
    const double length = std::exponential_distribution<double>(1 / noise_.burst_seconds)(random_);
    burst_ = {begin, begin + length, std::uniform_real_distribution<double>(1.1, noise_.burst_most)(random_)};
  }
  const double drift = std::exp(noise_.drift * std::sin(phase_ + 2 * std::numbers::pi * now_ / noise_.drift_seconds));
  const bool in_burst = now_ >= burst_.begin && now_ < burst_.end;
  double until = now_ + kDriftStepSeconds;
  if (now_ < burst_.begin) until = std::min(until, burst_.begin);
  if (in_burst) until = std::min(until, burst_.end);
  return {in_burst ? drift * burst_.factor : drift, until};
}

double SimulatedMachine::work(double seconds) {
  const double begin = now_;
  while (seconds > 0) {
    const auto [slow, until] = slowness();
    const double done = (until - now_) / slow;
    now_ = done >= seconds ? now_ + seconds * slow : until;
    seconds -= done;
  }
  return now_ - begin;
}

}  // namespace attn::bench::gate
