// Workbench: what cases are measured on. Keeps the inputs and the oracle of a workload for all its cases, and runs the
// check before anything is timed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cases/case.hpp"
#include "check.hpp"
#include "inputs.hpp"
#include "machine/caches.hpp"
#include "measure/caller_state.hpp"
#include "measure/case_verdict.hpp"
#include "measure/subject.hpp"
#include "run.hpp"

namespace attn::bench {

class LayerWorkload;
struct TeamUse;

// Inputs, their hash before any kernel ran, and what is expected of them.
struct PreparedWorkload {
  PreparedWorkload(const Workload& workload, const InputSource& source,
                   std::int64_t last_level_bytes = bench::last_level_bytes());

  Workload workload;
  Problem problem;  // that the kernel computes: of a layer its core's
  Inputs inputs;
  std::shared_ptr<LayerWorkload> layer;  // made by the first case of a layer
  std::vector<Inputs> further_copies;    // of the same contents; only for cache:cold
  std::uint64_t hash;

  // Computed when first asked for.
  const Oracle& oracle();
  std::size_t copies() const { return 1 + further_copies.size(); }
  const Inputs& copy(std::size_t i) const { return i == 0 ? inputs : further_copies[i - 1]; }
  // No kernel wrote to an input of any copy.
  bool inputs_are_intact() const;
  // Nor behind the end of a tensor.
  bool is_intact() const;
  std::uint64_t seed() const { return seed_; }

 private:
  std::uint64_t seed_;
  std::optional<Oracle> oracle_;
};

// Copies of its inputs that a workload goes round: as many as exceed a last-level cache of this size twice over, and two
// at least, when it is cold; else one.
std::int64_t copies_needed(const Workload& workload, std::int64_t last_level_bytes);

// Why a cold workload cannot be had here; empty when it can. Memory is not looked at.
std::string why_not_cold(const Workload& workload, std::int64_t last_level_bytes);

// One case, ready to be called: workspace, arguments, the checked output.
class PreparedCase {
 public:
  // Calls the kernel once, on poisoned outputs and workspace, and checks what it wrote. Where it cannot be called, since it
  // does not get its team or cannot prepare itself, the verdict says so, and nothing but the verdict may be asked for.
  // Throws EnvironmentError when the threads of its team cannot be started. `checked_before`: the checksum of outputs of
  // this case that passed in another process; the same outputs are not taken to the oracle again, which takes longer than
  // a short measurement.
  PreparedCase(const Case& c, PreparedWorkload& workload, std::optional<std::uint64_t> checked_before = std::nullopt);

  const CaseVerdict& verdict() const { return verdict_; }
  // Of the outputs that were checked.
  std::uint64_t checksum() const { return checksum_; }
  std::size_t workspace_bytes() const { return subject_ == nullptr ? 0 : subject_->scratch_bytes(); }
  // Memory of its own.
  std::size_t bytes() const { return workspace_bytes() + checked_.size(); }
  // Before calls that are to be checked by check_again(). Every other time outputs and workspace are poisoned; else they
  // stand, for a kernel to be caught that takes them for its answer.
  void begin_calls();
  // The inputs of the next call are others than before (sign_flips.hpp), and so is its answer.
  void change_inputs() { subject_->change_inputs(random_); }
  // The same between two slices of the timed calls, and now and then poisons a part of outputs and workspace.
  void disturb();
  // On the next copy of the inputs.
  void call() const { subject_->call(); }
  // Of the call that was checked.
  double first_call_seconds() const { return first_call_seconds_; }
  // Threads that were at work in calls, nothing else running; 0 where the system does not tell. May call.
  int threads_used();
  // "oversubscribed", "untimed_work", "loose_tolerance"; and once threads_used() was asked "suspect_threads"; each with
  // the reason.
  const std::map<std::string, std::string>& marks() const { return marks_; }
  double prepare_seconds() const { return subject_->prepare_seconds(); }
  double finish_seconds() const { return subject_->finish_seconds(); }
  std::string what_ran() const { return subject_ == nullptr ? "" : subject_->what_ran(); }
  layers::LayerTimes part_seconds() const { return subject_->part_seconds(); }
  double over_parts() { return subject_->over_parts(); }
  std::size_t copies() const { return workload_.copies(); }
  const Inputs& inputs(std::size_t copy) const { return workload_.copy(copy); }
  std::size_t skip_copies(std::int64_t count) const { return subject_->skip_copies(count); }
  // After the calls since begin_calls(): the outputs must be the checked ones bit for bit, but for the signs that follow
  // from those of the inputs; if not, they go to the oracle again. The inputs are put back, and what else a kernel leaves
  // alone (caller_state.hpp) must be as it was.
  void check_again();
  // By so many bytes the process grew in timed calls since the last time: a kernel allocates nothing in `run`. It fails
  // where that happens again and again; once, a library may have been filling its caches.
  void note_growth(std::int64_t bytes);

 private:
  // False, and the verdict failed, when the kernel cannot be called.
  bool get_ready();
  void check_first_call(std::optional<std::uint64_t> checked_before);
  // The core of a layer by itself, where what it reads and writes is guarded.
  void check_core();
  void call_again_by_a_team();
  void look_for_untimed_work();
  void fail(std::string failure);
  std::string suspicion_of(const TeamUse& use) const;
  void judge(std::size_t copy);

  Case case_;
  PreparedWorkload& workload_;
  std::unique_ptr<Subject> subject_;
  std::mt19937_64 random_{std::random_device{}()};
  std::optional<CallerState> caller_;  // since begin_calls()
  bool let_stand_ = false;             // next time
  int grown_in_a_row_ = 0;
  std::map<std::string, std::string> marks_;
  int threads_used_ = 0;
  double first_call_seconds_ = 0;
  std::vector<std::byte> checked_;
  std::uint64_t checksum_ = 0;  // of checked_
  CaseVerdict verdict_;
};

class Workbench {
 public:
  explicit Workbench(const InputSource& source, std::int64_t last_level_bytes = bench::last_level_bytes())
      : source_(source), last_level_bytes_(last_level_bytes) {}

  // The case, prepared now or in the calls before. Valid until the next call with another case.
  PreparedCase& prepare(const Case& c, std::optional<std::uint64_t> checked_before = std::nullopt);
  // After a kernel failed: where it wrote to an input or behind a tensor, the workload is made anew for those that come,
  // and the cases that were prepared are gone.
  void renew_if_written(const Workload& w);

  // Memory of what the cases of a workload share: tensors with their copies, oracle.
  static std::int64_t workload_bytes(const Workload& workload, std::int64_t last_level_bytes);
  // Memory that a case needs in all: tensors with their copies, oracle, workspace, copy of the output.
  static std::int64_t bytes_needed(const Case& c, std::int64_t last_level_bytes = bench::last_level_bytes());

 private:
  PreparedWorkload& workload(const Workload& w);

  InputSource source_;
  std::int64_t last_level_bytes_;
  std::map<std::string, std::unique_ptr<PreparedWorkload>> workloads_;
  std::int64_t kept_bytes_ = 0;
  // Cases of one workload that take turns; the last one asked for is among them.
  std::map<std::string, PreparedCase> prepared_;
  std::string prepared_workload_;
  std::size_t prepared_bytes_ = 0;
};

}  // namespace attn::bench
