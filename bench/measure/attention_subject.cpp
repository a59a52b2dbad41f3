// A kernel on copies of its workload's inputs.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/timing.hpp"
#include "machine/slowdown.hpp"
#include "measure/crash_place.hpp"
#include "measure/diagnosis.hpp"
#include "measure/sign_flips.hpp"
#include "measure/workbench.hpp"

namespace attn::bench {
namespace {

class AttentionSubject : public Subject {
 public:
  AttentionSubject(const Case& c, PreparedWorkload& workload)
      : workload_(workload),
        workspace_(attn::workspace_bytes(*c.variant, workload.problem, c.threads)),
        written_(workload.copies(), 0),
        variant_(*c.variant) {
    const Variant& variant = with_slowdown(variant_, case_name(c));
    for (std::size_t copy = 0; copy < workload.copies(); ++copy)
      places_.emplace_back(c, workload.problem, workload.copy(copy).tensors(), workspace_.bytes());
    for (std::size_t copy = 0; copy < workload.copies(); ++copy)
      prepare_seconds_ = seconds_of([&] {
        args_.emplace_back(variant, attn::prepare(variant, workload.problem, workload.copy(copy).tensors(), c.threads,
                                                  workspace_.bytes()));
      });
  }

  void call() override {
    const std::size_t copy = next_;
    next_ = copy + 1 == args_.size() ? 0 : copy + 1;
    written_[copy] = 1;
    const CallInProgress call(places_[copy]);
    args_[copy].run();
  }

  void poison() override {
    for (std::size_t copy = 0; copy < workload_.copies(); ++copy) workload_.copy(copy).poison_outputs();
    attn::poison(workspace_.bytes());
    forget_calls();
  }

  void forget_calls() override {
    std::fill(written_.begin(), written_.end(), 0);
    next_ = 0;
  }

  std::vector<std::size_t> written() const override {
    std::vector<std::size_t> copies;
    for (std::size_t copy = 0; copy < written_.size(); ++copy)
      if (written_[copy]) copies.push_back(copy);
    return copies;
  }

  std::vector<std::span<std::byte>> written_next() override {
    std::vector<std::span<std::byte>> all = workload_.copy(next_).outputs();
    all.push_back(workspace_.bytes());
    return all;
  }

  // A library may make its plans and conversions anew.
  bool changes_cheaply() const override { return variant_.prepare == nullptr; }

  void change_inputs(std::mt19937_64& random) override {
    SignFlips& flips = flips_.try_emplace(next_, workload_.problem, workload_.copy(next_).tensors()).first->second;
    flips.turn(random);
    try {
      args_[next_].prepare_again();
    } catch (const std::runtime_error&) {  // the inputs are others', too
      flips.restore();
      throw;
    }
  }

  void restore_inputs() override {
    for (auto& [copy, flips] : flips_) flips.restore();
    for (const auto& [copy, flips] : std::exchange(flips_, {})) args_[copy].prepare_again();
  }

  void finish(std::size_t copy) override {
    const CallInProgress call(places_[copy]);
    if (variant_.finish != nullptr) finish_seconds_ = seconds_of([&] { args_[copy].finish(); });
    what_ran_ = args_[copy].what_ran();  // while the state is the one that ran: changed inputs get another
  }

  std::vector<std::byte> output_bits(std::size_t copy) override { return workload_.copy(copy).output_bits(); }

  Verdict check(std::size_t copy) override {
    return attn::check(workload_.oracle(), workload_.copy(copy).tensors(), variant_.error_multiple);
  }

  std::string diagnose(std::size_t copy) override {
    return bench::diagnose(workload_.oracle(), workload_.copy(copy).tensors(), variant_.error_multiple);
  }

  std::string damage() const override {
    if (const std::size_t bytes = workspace_.overrun_bytes(); bytes > 0)
      return places_[0].overrun_text("its workspace", bytes);
    for (std::size_t copy = 0; copy < workload_.copies(); ++copy)
      if (const Inputs::Overrun overrun = workload_.copy(copy).overrun(); overrun.name != nullptr)
        return places_[copy].overrun_text(overrun.name, overrun.bytes);
    return workload_.inputs_are_intact() ? "" : "it wrote to an input";
  }

  std::size_t scratch_bytes() const override { return workspace_.size(); }
  double prepare_seconds() const override { return variant_.prepare == nullptr ? 0 : prepare_seconds_; }
  double prepare_again_seconds() override {
    return seconds_of([&] { args_[0].prepare_again(); });
  }
  double finish_seconds() const override { return finish_seconds_; }
  std::string what_ran() const override { return what_ran_; }

  std::size_t skip_copies(std::int64_t count) override {
    const std::size_t first = next_;
    next_ = (first + static_cast<std::size_t>(count)) % args_.size();
    return first;
  }

 private:
  PreparedWorkload& workload_;
  AlignedBuffer workspace_;
  std::vector<CrashPlace> places_;          // of every copy
  std::vector<PreparedArgs> args_;          // of every copy
  std::vector<char> written_;               // copies
  std::map<std::size_t, SignFlips> flips_;  // of the copies whose inputs are changed
  std::size_t next_ = 0;
  double prepare_seconds_ = 0, finish_seconds_ = 0;
  std::string what_ran_;
  const Variant& variant_;
};

}  // namespace

std::unique_ptr<Subject> make_attention_subject(const Case& c, PreparedWorkload& workload) {
  return std::make_unique<AttentionSubject>(c, workload);
}

}  // namespace attn::bench
