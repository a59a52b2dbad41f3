#include "measure/workbench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

#include "base/errors.hpp"
#include "base/stop.hpp"
#include "base/timing.hpp"
#include "machine/cpus.hpp"
#include "machine/openmp_team.hpp"
#include "machine/team.hpp"
#include "measure/checksum.hpp"
#include "measure/input_watch.hpp"
#include "roles.hpp"

namespace attn::bench {
namespace {

// Random interleaving returns to a workload again and again; this much of inputs and oracles is kept for it.
constexpr std::int64_t kKeptBytes = std::int64_t{2} << 30;

// What disturb() poisons of an output or a workspace.
constexpr std::size_t kDisturbedBytes = std::size_t{1} << 16;

// What a team is called for again, since threads that race are right most of the time.
constexpr int kFurtherTeamCalls = 8;
constexpr double kFurtherTeamSeconds = 0.02;

// A call so long that a team which spun on from before it, for 15 ms with GCC's runtime, is below the 5 % of TeamClock.
constexpr auto kLongCall = std::chrono::milliseconds(300);

std::int64_t saturated(double bytes) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  return bytes >= static_cast<double>(kMax) ? kMax : static_cast<std::int64_t>(bytes);
}

// Oracle and yardstick: every output and its scale in double and in float for every row that is checked.
std::int64_t oracle_bytes(const Problem& p) {
  const double share = static_cast<double>(oracle_flops(p)) / static_cast<double>(std::max<std::int64_t>(flops(p), 1));
  std::int64_t outputs = 0;
  for (const TensorRole& role : kTensorRoles)
    if (role.use(p) == Use::written) outputs += elements(role.shape(p));
  const double of_rows = static_cast<double>(outputs) * std::min(1.0, share);
  if (!has_int8_kv(p)) return static_cast<std::int64_t>(24 * of_rows);
  // For a while the numbers that were quantised, too; then what comes of them.
  return static_cast<std::int64_t>(40 * of_rows) + inputs_bytes(unquantised(p));
}

// What a call surely reads.
std::int64_t needed_input_bytes(const Problem& p) {
  return elements(shape_q(p)) * element_bytes(p) + needed_kv_bytes(p);
}

}  // namespace

std::int64_t copies_needed(const Workload& w, std::int64_t last_level_bytes) {
  if (w.setup.cache == CacheState::warm) return 1;
  return std::max<std::int64_t>(2, 2 * last_level_bytes / needed_input_bytes(w.problem) + 1);
}

std::string why_not_cold(const Workload& w, std::int64_t last_level_bytes) {
  // A copy is four mappings of three parts, of which Linux allows 65530.
  constexpr std::int64_t kMostCopies = 4096;
  if (w.setup.cache == CacheState::warm) return {};
  if (last_level_bytes == 0) return "cache:cold needs the size of the last-level cache, which the system does not tell";
  if (const std::int64_t copies = copies_needed(w, last_level_bytes); copies > kMostCopies)
    return fmt::format("cache:cold would need {} copies of {} to exceed a last-level cache of {}; at most {}", copies,
                       bytes_text(needed_input_bytes(w.problem)), bytes_text(last_level_bytes), kMostCopies);
  return {};
}

PreparedWorkload::PreparedWorkload(const Workload& w, const InputSource& source, std::int64_t last_level_bytes)
    : workload((require_default_team(), w)),  // which fills the inputs
      problem(core_problem(w)),
      // A layer's core meets tensors in this order, too.
      inputs(problem, w.is_layer() ? Setup{.layout = Layout::bshd} : w.setup, source),
      hash(inputs.hash()),
      seed_(source.seed) {
  const std::int64_t copies = copies_needed(w, last_level_bytes);
  for (std::int64_t copy = 1; copy < copies; ++copy) further_copies.push_back(inputs.copy(problem, w.setup));
}

const Oracle& PreparedWorkload::oracle() {
  if (oracle_) return *oracle_;
  oracle_ = make_oracle(problem, inputs.tensors(), seed_);
  // What a file's int8 was made from is not known.
  if (has_int8_kv(problem) && workload.setup.fill != Fill::file)
    add_unquantised(*oracle_, Inputs(unquantised(problem), workload.setup, seed_).tensors());
  return *oracle_;
}

bool PreparedWorkload::inputs_are_intact() const {
  bool intact = true;
  // The cores share the copies: hashing hundreds of megabytes on one would take longer than measuring.
#pragma omp parallel for schedule(dynamic) reduction(&& : intact) if (copies() > 1)
  for (std::size_t i = 0; i < copies(); ++i) intact = intact && copy(i).hash() == hash;
  return intact;
}

bool PreparedWorkload::is_intact() const {
  for (std::size_t i = 0; i < copies(); ++i)
    if (copy(i).overrun().name != nullptr) return false;
  return inputs_are_intact();
}

PreparedCase::PreparedCase(const Case& c, PreparedWorkload& workload, std::optional<std::uint64_t> checked_before)
    : case_(c), workload_(workload) {
  if (get_ready()) check_first_call(checked_before);
}

bool PreparedCase::get_ready() {
  const auto refuse = [&](Reason reason, std::string text) {
    verdict_ = CaseVerdict({reason, std::move(text)});
    return false;
  };
  const FormedTeam team = form_team(case_.threads);
  if (std::string reason = why_not_team(team, case_.threads); !reason.empty())
    return refuse(Reason::no_team, std::move(reason));
  Cpus cpus = usable_cpus({});
  cpus.allowed = team.cpus;  // the runtime may have bound its threads
  if (const std::string reason = oversubscription(case_.threads, cpus); !reason.empty())
    marks_["oversubscribed"] = reason;
  if (case_.variant->error_multiple > 1)
    marks_["loose_tolerance"] =
        fmt::format("its author asks for {:g} times the tolerance of others", case_.variant->error_multiple);
  try {
    subject_ =
        case_.workload.is_layer() ? make_layer_subject(case_, workload_) : make_attention_subject(case_, workload_);
  } catch (const EnvironmentError&) {
    throw;
  } catch (const std::runtime_error& error) {
    return refuse(Reason::unprepared, error.what());
  }
  return true;
}

void PreparedCase::check_first_call(std::optional<std::uint64_t> checked_before) {
  const bool is_layer = case_.workload.is_layer();
  if (!checked_before && is_layer) {
    check_core();
    if (!verdict_.passed) return;
  }
  if (!checked_before && !is_layer) workload_.oracle();  // from inputs that no call of this kernel has touched
  subject_->poison();
  CallerState caller(case_.threads);
  std::optional<InputWatch> watch;
  if (!is_layer) watch.emplace(inputs(0));
  const TeamClock team;
  const auto begin = Clock::now();
  call();
  first_call_seconds_ = seconds_since(begin);
  const bool wrote = watch && watch->saw_a_write();
  watch.reset();
  if (Clock::now() - begin >= kLongCall) {
    const std::string suspect = suspicion_of(team.use(1));
    if (suspect.empty()) threads_used_ = team.threads_used();  // else threads_used() looks again, once teams rest
  }
  subject_->finish(0);
  checked_ = subject_->output_bits(0);
  checksum_ = checksum_of(checked_);
  std::string changes = caller.mend_changes();
  if (wrote) changes = "it wrote to an input";
  if (checked_before == checksum_ && subject_->damage().empty())
    verdict_.passed = true;
  else
    judge(0);
  if (verdict_.passed && case_.threads > 1) call_again_by_a_team();
  if (std::string later = caller.mend_changes(); changes.empty()) changes = std::move(later);
  if (verdict_.passed && !changes.empty()) fail(changes);
  if (!is_layer) look_for_untimed_work();
}

void PreparedCase::check_core() {
  workload_.oracle();
  std::unique_ptr<Subject> core;
  try {
    core = make_attention_subject(case_, workload_);
  } catch (const EnvironmentError&) {
    throw;
  } catch (const std::runtime_error& error) {
    verdict_ = CaseVerdict({Reason::unprepared, error.what()});
    return;
  }
  core->poison();
  CallerState caller(case_.threads);
  InputWatch watch(inputs(0));
  core->call();
  core->finish(0);
  verdict_ = core->check(0);
  if (!verdict_.passed && core->damage().empty()) verdict_.diagnosis = core->diagnose(0);
  if (watch.saw_a_write()) fail("it wrote to an input");
  if (const std::string damage = core->damage(); !damage.empty()) fail(damage);
  if (const std::string changes = caller.mend_changes(); !changes.empty()) fail(changes);
  if (!verdict_.passed) fail("as the core of the layer, called by itself: " + verdict_.failure);
}

void PreparedCase::call_again_by_a_team() {
  const auto begin = Clock::now();
  for (int i = 0; i < kFurtherTeamCalls && verdict_.passed && seconds_since(begin) < kFurtherTeamSeconds; ++i) {
    subject_->poison();
    call();
    subject_->finish(0);
    if (subject_->output_bits(0) != checked_) judge(0);
  }
}

void PreparedCase::begin_calls() {
  caller_.emplace(case_.threads);
  if (!std::exchange(let_stand_, !let_stand_)) subject_->poison();
  subject_->forget_calls();
}

void PreparedCase::disturb() {
  if (!subject_->changes_cheaply()) return;
  change_inputs();
  if (random_() % 2 == 0) return;
  for (const std::span<std::byte> bytes : subject_->written_next()) {
    if (bytes.empty()) continue;
    const std::size_t words = std::min(bytes.size(), kDisturbedBytes) / sizeof kPoison;
    const std::size_t first = random_() % (bytes.size() / sizeof kPoison - words + 1);
    attn::poison(bytes.subspan(first * sizeof kPoison, words * sizeof kPoison));
  }
}

void PreparedCase::note_growth(std::int64_t bytes) {
  constexpr std::int64_t kGrowth = std::int64_t{1} << 16;
  constexpr int kTimes = 3;
  grown_in_a_row_ = bytes < kGrowth ? 0 : grown_in_a_row_ + 1;
  if (verdict_.passed && grown_in_a_row_ >= kTimes)
    fail(fmt::format("it allocates in run: the process grew in {} turns in a row, by {} in the last", kTimes,
                     bytes_text(bytes)));
}

// A kernel's own prepare and finish may only convert tensors: what takes longer than that may be a part of the answer
// that nobody times. The state was made before, so that what a library sets up once is done.
void PreparedCase::look_for_untimed_work() {
  constexpr double kConvertedBytes = 1e9, kLeastSeconds = 50e-6;  // per second, at the least
  const auto look = [&](const char* name, double seconds, double bytes) {
    if (const double most = kLeastSeconds + bytes / kConvertedBytes; seconds > most)
      marks_["untimed_work"] = fmt::format("{} takes {:.3g} ms, where converting what it may is {:.3g} ms at most",
                                           name, 1e3 * seconds, 1e3 * most);
  };
  double output_bytes = 0;
  for (const std::span<std::byte> output : inputs(0).outputs()) output_bytes += static_cast<double>(output.size());
  if (case_.variant->prepare != nullptr) {
    look("prepare", subject_->prepare_again_seconds(),
         static_cast<double>(minimal_bytes(workload_.problem)) - output_bytes);
  }
  if (case_.variant->finish != nullptr) look("finish", finish_seconds(), output_bytes);
}

void PreparedCase::fail(std::string failure) {
  verdict_.passed = false;
  verdict_.reason = Reason::wrong;
  verdict_.failure = std::move(failure);
}

void PreparedCase::judge(std::size_t copy) {
  verdict_ = subject_->check(copy);
  if (const std::string damage = subject_->damage(); !damage.empty())
    fail(damage);
  else if (!verdict_.passed)
    verdict_.diagnosis = subject_->diagnose(copy);
}

void PreparedCase::check_again() {
  const std::string changes = caller_ ? caller_->mend_changes() : "";
  caller_.reset();
  const std::vector<std::size_t> written = subject_->written();
  for (const std::size_t copy : written) subject_->finish(copy);
  subject_->restore_inputs();
  if (!subject_->damage().empty()) return judge(0);
  for (const std::size_t copy : written)
    if (verdict_.passed && subject_->output_bits(copy) != checked_) judge(copy);
  if (verdict_.passed && !changes.empty()) fail(changes);
}

std::string PreparedCase::suspicion_of(const TeamUse& use) const {
  // A layer has serial parts; and how long a quota stopped the threads is not told.
  return suspicion(case_.threads, use, case_.workload.is_layer() || marks_.count("oversubscribed") > 0);
}

int PreparedCase::threads_used() {
  constexpr auto kLongEnough = std::chrono::milliseconds(5);
  constexpr int kLooks = 3;
  if (threads_used_ > 0) return threads_used_;
  std::string suspect;
  for (int look = 0; look == 0 || (!suspect.empty() && look < kLooks); ++look) {
    const bool alone = wait_for_resting_teams();
    const TeamClock team;
    const auto begin = Clock::now();
    std::int64_t calls = 0;
    do {
      call();
      ++calls;
    } while (Clock::now() - begin < kLongEnough);
    suspect = alone ? suspicion_of(team.use(calls)) : "";
    threads_used_ = team.threads_used();
    if (Clock::now() - begin >= kLongCall) break;  // long enough to be believed at once
  }
  if (!suspect.empty()) marks_["suspect_threads"] = suspect;
  return threads_used_;
}

PreparedCase& Workbench::prepare(const Case& c, std::optional<std::uint64_t> checked_before) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  const std::string name = case_name(c), of_workload = to_string(c.workload);
  if (const auto found = prepared_.find(name); found != prepared_.end()) return found->second;
  if (of_workload != prepared_workload_ || prepared_bytes_ > kMostBytes) {
    prepared_.clear();
    prepared_bytes_ = 0;
  }
  set_current_activity(name);
  PreparedCase& prepared = prepared_.try_emplace(name, c, workload(c.workload), checked_before).first->second;
  prepared_workload_ = of_workload;
  prepared_bytes_ += prepared.bytes();
  return prepared;
}

void Workbench::renew_if_written(const Workload& w) {
  const auto kept = workloads_.find(to_string(w));
  if (kept == workloads_.end() || kept->second == nullptr || kept->second->is_intact()) return;
  prepared_.clear();
  prepared_bytes_ = 0;
  kept->second.reset();
  kept_bytes_ -= workload_bytes(w, last_level_bytes_);
}

std::int64_t Workbench::workload_bytes(const Workload& w, std::int64_t last_level_bytes) {
  const Problem p = core_problem(w);
  const double inputs = static_cast<double>(copies_needed(w, last_level_bytes)) * static_cast<double>(inputs_bytes(p));
  const double of_layer = w.is_layer() ? static_cast<double>(layer_bytes(w)) : 0;
  return saturated(inputs + static_cast<double>(oracle_bytes(p)) + of_layer);
}

std::int64_t Workbench::bytes_needed(const Case& c, std::int64_t last_level_bytes) {
  const Problem& p = c.workload.problem;
  const auto workspace = static_cast<double>(attn::workspace_bytes(*c.variant, core_problem(c.workload), c.threads));
  const double output = 2.0 * static_cast<double>(elements(shape_o(p)) * element_bytes(p)) * (p.backward ? 3 : 1);
  return saturated(static_cast<double>(workload_bytes(c.workload, last_level_bytes)) + workspace + output);
}

PreparedWorkload& Workbench::workload(const Workload& w) {
  std::unique_ptr<PreparedWorkload>& kept = workloads_[to_string(w)];
  if (kept == nullptr) {
    if (kept_bytes_ + workload_bytes(w, last_level_bytes_) > kKeptBytes) {
      prepared_.clear();  // which refer to them
      for (auto& [name, other] : workloads_) other.reset();
      kept_bytes_ = 0;
    }
    kept = std::make_unique<PreparedWorkload>(w, source_, last_level_bytes_);
    kept_bytes_ += workload_bytes(w, last_level_bytes_);
  }
  return *kept;
}

}  // namespace attn::bench
