#include "gate/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attn::bench::gate {
namespace {

// Rounds that the suite gets, the screen's among them, while its evidence speaks for a slowdown but is not yet enough.
constexpr int kMostSuiteRounds = 20;
// Short rounds that a case gets at most, while it may be PROVEN by them.
constexpr int kMostScreenRounds = 20;
// Full rounds that a case gets at most. Equal builds whose launches scatter by 5 % (one standard deviation) are mostly
// PROVEN within them, and 5 % slower ones found; what is open then would take hundreds, and hold up the answer for all.
constexpr int kMostConfirmRounds = 60;
// Fewer cases have no middle half.
constexpr std::size_t kLeastSuite = 4;
// The null arm has two directions. The suite has one, but must not be blamed before the null arm can fire.
constexpr std::size_t kTestsOfAll = 2;

// What PROVEN takes at least, for guessing how long the confirmation will last.
constexpr int kLikelyConfirmRounds = 9;

// Ends the run early; the report says why.
struct Ended {};

// The mean of the middle half: a few cases that changed by much are not the suite.
double midmean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto cut = static_cast<std::ptrdiff_t>(values.size() / 4);
  const auto count = static_cast<double>(values.end() - values.begin() - 2 * cut);
  return std::accumulate(values.begin() + cut, values.end() - cut, 0.0) / count;
}

class Run {
 public:
  Run(const Arena& arena, const std::vector<Pairing>& pairings, const Settings& settings, Observer& observer)
      : arena_(arena), settings_(settings), observer_(observer), random_(settings.seed), begin_(arena.seconds()) {
    report_.criteria = settings.criteria;
    for (const Pairing& pairing : pairings) {
      const auto floor = settings.floors.find(pairing.label);
      const double least = settings.criteria.min_effect;
      const auto turn = settings.turns.find(pairing.label);
      report_.cases.push_back({.pairing = pairing,
                               .min_effect = floor == settings.floors.end() ? least : std::max(least, floor->second),
                               .turn = turn == settings.turns.end() ? Turn{} : turn->second});
    }
  }

  Report run() {
    try {
      screen();
      finish_suite();
      confirm();
    } catch (const Ended&) {
    } catch (const SideFailure& failure) {
      // Whoever waits for a side is woken by the interruption, and takes it for the side's end.
      if (arena_.interrupted())
        report_.interrupted = true;
      else
        report_.failure = fmt::format("{}, {}", failure.what(), where_);
    } catch (const EnvironmentError& error) {
      report_.failure = error.what();
    }
    report_.seconds = elapsed();
    return std::move(report_);
  }

 private:
  double elapsed() const { return arena_.seconds() - begin_; }
  const Criteria& criteria() const { return settings_.criteria; }

  void stop_if_asked() {
    if (!arena_.interrupted()) return;
    report_.interrupted = true;
    throw Ended{};
  }

  // All, or those whose confirmation is not over.
  std::vector<std::size_t> cases_under_test(bool only_routed) const {
    std::vector<std::size_t> cases;
    for (std::size_t i = 0; i < report_.cases.size(); ++i) {
      const CaseReport& c = report_.cases[i];
      const bool open = settings_.fixed_rounds > 0 || c.judgement.verdict == Verdict::inconclusive;
      if (c.wrong.empty() && (!only_routed || (c.routed && open))) cases.push_back(i);
    }
    return cases;
  }

  // Fresh processes, in random order: who starts first may get the better memory.
  void launch_all() {
    in_random_order(std::array{&arena_.base, &arena_.candidate, &arena_.copy}, random_, [&](Side* side) {
      const Facts facts = side->launch(random_());
      if (side == &arena_.base) report_.base_facts = facts;
      if (side == &arena_.candidate) report_.candidate_facts = facts;
    });
  }

  int blocks_of(const CaseReport& c, Phase phase) const {
    return blocks_for(phase == Phase::confirm ? settings_.confirm_ns : settings_.screen_ns, c.turn);
  }

  void prepare(const Pairing& pairing, bool null_arm) {
    std::vector<std::pair<Side*, const std::string*>> sides = {{&arena_.base, &pairing.base_case},
                                                               {&arena_.candidate, &pairing.candidate_case}};
    if (null_arm) sides.emplace_back(&arena_.copy, &pairing.base_case);
    in_random_order(sides, random_, [](const auto& side) { side.first->prep(*side.second); });
  }

  void measure(CaseReport& c, Phase phase, int number) {
    const Pairing& pairing = c.pairing;
    if (c.turn.iterations == 0) c.turn = calibrate(arena_.base, pairing.base_case, settings_.chunk_ns);
    const Round round =
        measure_round(arena_.base, arena_.candidate, pairing, c.turn.iterations, blocks_of(c, phase), random_);
    if (phase != Phase::suite) (phase == Phase::screen ? c.screen : c.confirm).push_back(round.value);
    c.times.push_back(times_of(round, phase, number, c.turn.iterations));
    c.dropped += round.dropped;
    if (phase != Phase::suite) c.judgement = judge(c.rounds(), c.min_effect, tests(), criteria());
    observer_.measured(c, phase, number, round, false);
  }

  void measure_null(const CaseReport& c, Phase phase, int number) {
    const Pairing null{c.pairing.label, c.pairing.base_case, c.pairing.base_case};
    const Round round = measure_round(arena_.base, arena_.copy, null, c.turn.iterations, blocks_of(c, phase), random_);
    null_of_round_.push_back(round.value);
    observer_.measured(c, phase, number, round, true);
  }

  std::size_t tests() const { return report_.routed > 0 ? report_.routed : report_.cases.size(); }

  // One round over these cases; two of them, another two each time, also for the null arm.
  void play(Phase phase, int number, int rounds, std::vector<std::size_t> cases) {
    const double begin = elapsed();
    where_ = fmt::format("when launched for {} round {}", to_string(phase), number);
    launch_all();
    const std::size_t first = rotation_ % cases.size(), second = (rotation_ + 1) % cases.size();
    const std::size_t null_cases[] = {cases[first], cases[second]};
    rotation_ += 2;
    std::shuffle(cases.begin(), cases.end(), random_);
    for (const std::size_t i : cases) {
      stop_if_asked();
      CaseReport& c = report_.cases[i];
      where_ = fmt::format("in {} round {} of {}", to_string(phase), number, c.pairing.label);
      const bool null_arm = std::find(std::begin(null_cases), std::end(null_cases), i) != std::end(null_cases);
      try {
        prepare(c.pairing, null_arm);
        measure(c, phase, number);
        if (null_arm) measure_null(c, phase, number);
      } catch (const WrongResult& error) {
        c.wrong = error.what();  // and takes no further part
      }
      round_seconds_ = elapsed() - begin;
      observer_.progressed(report_, {.phase = phase,
                                     .round = number,
                                     .rounds = rounds,
                                     .cases = cases.size(),
                                     .elapsed_seconds = elapsed(),
                                     .left_seconds = left_seconds(phase, number, cases.size(), ++measured_in_round_)});
    }
    measured_in_round_ = 0;
    report_.seconds = elapsed();
    add_to_null();
    judge_null();
  }

  // The mean over cases, of the round that has just ended.
  void add_to_suite() {
    std::vector<double> values;
    for (const CaseReport& c : report_.cases)
      if (c.wrong.empty() && !c.times.empty()) values.push_back(c.times.back().value);
    if (values.size() < kLeastSuite) return;
    report_.suite.push_back(midmean(values));
    report_.suite_judgement = judge(report_.suite, criteria().suite_effect(), kTestsOfAll, criteria());
  }

  // A value per round, as everywhere: the two cases have the processes in common.
  void add_to_null() {
    if (!null_of_round_.empty())
      report_.null.push_back(std::accumulate(null_of_round_.begin(), null_of_round_.end(), 0.0) /
                             static_cast<double>(null_of_round_.size()));
    null_of_round_.clear();
  }

  // The gate would call a suite of copies of the base slower, or faster: then nothing that it says can be believed.
  void judge_null() {
    Judgement& judgement = report_.null_judgement;
    judgement = judge(report_.null, criteria().suite_effect(), kTestsOfAll, criteria());
    const double log_e = std::max(judgement.log_e_slower, log_e_below(report_.null, -criteria().suite_effect()));
    if (log_e < std::log(kTestsOfAll / criteria().alpha)) return;
    report_.failure = fmt::format(
        "null arm: the base differs from a copy of itself by {:+.2f} % over {} rounds; something on this machine "
        "favours one process over another, see attnbench doctor",
        100 * std::expm1(judgement.size), report_.null.size());
    throw Ended{};
  }

  bool time_for_a_round() {
    if (elapsed() + round_seconds_ <= settings_.max_seconds) return true;
    report_.out_of_time = true;
    return false;
  }

  // Cases whose short rounds point to PROVEN, though a few did not: more of those are cheaper than full rounds. Proof is
  // valid at any time; what looks slower is measured afresh. And cases that look faster, until that is certain.
  std::vector<std::size_t> hopeful_cases() const {
    std::vector<std::size_t> cases;
    for (const std::size_t i : cases_under_test(false)) {
      const CaseReport& c = report_.cases[i];
      const bool proven = c.judgement.verdict == Verdict::proven;
      const bool looks_faster = c.judgement.interval.high < -c.min_effect && !c.judgement.faster;
      if (proven ? looks_faster : c.judgement.log_e_proven > 0) cases.push_back(i);
    }
    return cases;
  }

  void screen() {
    const int most = settings_.fixed_rounds > 0 ? 0 : kMostScreenRounds;
    for (int number = 1; number <= most; ++number) {
      const bool all = number <= settings_.screen_rounds;
      const std::vector<std::size_t> cases = all ? cases_under_test(false) : hopeful_cases();
      if (cases.empty()) break;
      if (!time_for_a_round()) return;
      play(Phase::screen, number, all ? settings_.screen_rounds : 0, cases);
      if (all) add_to_suite();
    }
    for (CaseReport& c : report_.cases) c.routed = c.wrong.empty() && c.judgement.verdict != Verdict::proven;
    report_.routed = cases_under_test(true).size();
    screened_ = true;
  }

  // A few more short rounds while the suite as a whole looks slower but is not yet known to be.
  void finish_suite() {
    if (!screened_ || settings_.fixed_rounds > 0) return;
    for (int number = 1; number <= kMostSuiteRounds - settings_.screen_rounds; ++number) {
      const Judgement& suite = report_.suite_judgement;
      const std::vector<std::size_t> cases = cases_under_test(false);
      if (suite.log_e_slower <= 0 || suite.verdict == Verdict::regressed) return;
      if (!time_for_a_round()) return;
      play(Phase::suite, number, 0, cases);
      add_to_suite();
    }
  }

  void confirm() {
    if (!screened_) return;
    for (CaseReport& c : report_.cases)
      if (c.routed) c.judgement = judge(c.confirm, c.min_effect, tests(), criteria());
    round_seconds_ = predicted_confirm_seconds(report_.routed);
    const int rounds = settings_.fixed_rounds > 0 ? settings_.fixed_rounds : kMostConfirmRounds;
    for (int number = 1; number <= rounds; ++number) {
      const std::vector<std::size_t> cases = cases_under_test(true);
      if (cases.empty() || !time_for_a_round()) return;
      play(Phase::confirm, number, settings_.fixed_rounds, cases);
      if (settings_.fixed_rounds > 0) add_to_suite();
    }
  }

  double predicted_confirm_seconds(std::size_t cases) const {
    constexpr double kOverhead = 1.5;  // launches, untimed iterations
    return static_cast<double>(cases + 2) * kOverhead * settings_.confirm_ns * 1e-9;
  }

  double left_seconds(Phase phase, int number, std::size_t cases, std::size_t measured) const {
    const double per_case = round_seconds_ / static_cast<double>(measured);
    double left = per_case * static_cast<double>(cases - measured);
    if (phase == Phase::confirm) {
      const bool fixed = settings_.fixed_rounds > 0;
      const int rounds = fixed ? settings_.fixed_rounds : kLikelyConfirmRounds;
      left += std::max(fixed ? 0 : 1, rounds - number) * per_case * static_cast<double>(cases);
    } else {
      if (phase == Phase::screen)
        left += std::max(0, settings_.screen_rounds - number) * per_case * static_cast<double>(cases);
      const auto doubtful = std::count_if(report_.cases.begin(), report_.cases.end(), [&](const CaseReport& c) {
        return c.wrong.empty() &&
               std::any_of(c.screen.begin(), c.screen.end(), [&](double value) { return value >= criteria().limit; });
      });
      if (doubtful > 0) left += kLikelyConfirmRounds * predicted_confirm_seconds(static_cast<std::size_t>(doubtful));
    }
    return std::min(left, std::max(0.0, settings_.max_seconds - elapsed()));
  }

  const Arena& arena_;
  const Settings& settings_;
  Observer& observer_;
  Random random_;
  double begin_;
  Report report_;
  std::string where_;
  std::size_t rotation_ = 0, measured_in_round_ = 0;
  double round_seconds_ = 0;
  std::vector<double> null_of_round_;
  bool screened_ = false;
};

}  // namespace

Report run_gate(const Arena& arena, const std::vector<Pairing>& pairings, const Settings& settings,
                Observer& observer) {
  return Run(arena, pairings, settings, observer).run();
}

}  // namespace attn::bench::gate
