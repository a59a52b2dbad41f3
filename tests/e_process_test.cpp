// The statistic of the gate, against values from scipy and against what it promises.
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "catch.hpp"
#include "gate/verdict.hpp"
#include "measure/e_process.hpp"

using namespace attn::bench::gate;

TEST_CASE("ln e is what scipy computes, from the first sign to the last", "[e_process]") {
  std::ifstream file(ATTN_GOLDEN_DIR "/e_process.csv");
  std::string line;
  REQUIRE(std::getline(file, line));
  int lines = 0;
  for (; std::getline(file, line); ++lines) {
    std::istringstream fields(line);
    int hits = 0, signs = 0;
    double expected = 0;
    char comma = 0;
    REQUIRE(fields >> hits >> comma >> signs >> comma >> expected);
    INFO(line);
    CHECK(std::abs(log_e_value(hits, signs) - expected) <= 1e-9 * std::max(1.0, std::abs(expected)));
  }
  CHECK(lines >= 25);
}

TEST_CASE("counts of signs that cannot be are refused", "[e_process]") {
  CHECK_THROWS_AS(log_e_value(-1, 3), std::invalid_argument);
  CHECK_THROWS_AS(log_e_value(4, 3), std::invalid_argument);
  CHECK_THROWS_AS(log_e_value(1, kMostSigns + 1), std::invalid_argument);
}

TEST_CASE("the average of e over a fair coin is 1 at every number of signs, and more hits are more evidence",
          "[e_process]") {
  for (const int signs : {1, 2, 7, 30, 200}) {
    double mean = 0;
    for (int hits = 0; hits <= signs; ++hits) {
      const double log_coin =
          std::lgamma(signs + 1.0) - std::lgamma(hits + 1.0) - std::lgamma(signs - hits + 1.0) - signs * std::log(2.0);
      mean += std::exp(log_coin + log_e_value(hits, signs));
      if (hits > 0) CHECK(log_e_value(hits, signs) > log_e_value(hits - 1, signs));
    }
    INFO(signs);
    CHECK(std::abs(mean - 1) < 1e-9);
  }
}

TEST_CASE("fewest_hits is the first count that has the evidence", "[e_process]") {
  CHECK(!fewest_hits(6, 20));
  CHECK(fewest_hits(7, 20) == 7);
  CHECK(!fewest_hits(8, 100));
  CHECK(fewest_hits(9, 100) == 9);
  CHECK(!fewest_hits(14, 4000));
  CHECK(fewest_hits(15, 4000) == 15);  // 40 cases
  for (const int signs : {20, 61, 400}) {
    const int hits = *fewest_hits(signs, 100);
    CHECK(log_e_value(hits, signs) >= std::log(100));
    CHECK(log_e_value(hits - 1, signs) < std::log(100));
  }
}

TEST_CASE("who looks after every sign is misled no more often than promised", "[e_process]") {
  std::mt19937_64 random(1);
  constexpr int kRuns = 4000, kSigns = 300;
  const double threshold = std::log(20);
  int misled = 0;
  for (int run = 0; run < kRuns; ++run) {
    int hits = 0;
    for (int signs = 1; signs <= kSigns; ++signs) {
      hits += (random() >> 63) != 0;
      if (log_e_value(hits, signs) < threshold) continue;
      ++misled;
      break;
    }
  }
  CHECK(misled <= kRuns / 20);
  CHECK(misled >= kRuns / 400);  // it is not merely deaf
}

TEST_CASE("the interval holds the bounds that the signs do not reject", "[e_process]") {
  std::mt19937_64 random(2);
  std::normal_distribution<double> noise(0.01, 0.02);
  for (const int count : {7, 12, 40}) {
    std::vector<double> values;
    for (int i = 0; i < count; ++i) values.push_back(noise(random));
    const Interval interval = interval_of(values, 20);
    CHECK(log_e_above(values, interval.low - 1e-9) >= std::log(20));
    CHECK(log_e_above(values, interval.low) < std::log(20));
    CHECK(log_e_below(values, interval.high + 1e-9) >= std::log(20));
    CHECK(log_e_below(values, interval.high) < std::log(20));
  }
  CHECK(std::isinf(interval_of({1, 2, 3, 4, 5, 6}, 20).low));
  CHECK(std::isinf(interval_of({1, 2, 3, 4, 5, 6}, 20).high));
  const Interval seven = interval_of({3, 1, 2, 7, 5, 6, 4}, 20);
  CHECK(seven.low == 1);
  CHECK(seven.high == 7);
}

TEST_CASE("the interval covers the median as often as promised, and misses it sometimes", "[e_process]") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> noise(0.3, 1);
  constexpr int kRuns = 2000;
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> values;
    for (int i = 0; i < 25; ++i) values.push_back(noise(random));
    const Interval interval = interval_of(values, 20);
    covered += interval.low <= 0.3 && 0.3 <= interval.high;
  }
  CHECK(covered >= kRuns * 9 / 10);
  CHECK(covered < kRuns);
}

TEST_CASE("the smallest detectable effect, planted, is the first to be REGRESSED", "[e_process]") {
  std::mt19937_64 random(4);
  std::normal_distribution<double> noise(0, 0.01);
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) values.push_back(noise(random));
  const double bound = 0.005, evidence = 300;
  const double effect = *smallest_detectable(values, bound, evidence);
  const auto log_e_with = [&](double shift) {
    std::vector<double> moved = values;
    for (double& value : moved) value += shift - median_of(values);
    return log_e_above(moved, bound);
  };
  CHECK(log_e_with(effect + 1e-9) >= std::log(evidence));
  CHECK(log_e_with(effect - 1e-9) < std::log(evidence));
  CHECK(!smallest_detectable({1, 2, 3}, bound, evidence));
}

TEST_CASE("a verdict needs its evidence, and REGRESSED goes before PROVEN", "[e_process]") {
  const Criteria criteria;
  const auto verdict = [&](std::size_t rounds, double value, std::size_t tests) {
    return judge(std::vector<double>(rounds, value), criteria.min_effect, tests, criteria).verdict;
  };
  CHECK(judge({}, criteria.min_effect, 1, criteria).verdict == Verdict::inconclusive);
  CHECK(verdict(6, 0, 1) == Verdict::inconclusive);
  CHECK(verdict(7, 0, 1) == Verdict::proven);
  CHECK(verdict(8, 0.05, 1) == Verdict::inconclusive);
  CHECK(verdict(9, 0.05, 1) == Verdict::regressed);
  CHECK(verdict(14, 0.05, 40) == Verdict::inconclusive);
  CHECK(verdict(15, 0.05, 40) == Verdict::regressed);
  CHECK(verdict(15, 0.015, 1) == Verdict::regressed);  // although surely below the limit
  CHECK(verdict(8, 0.015, 1) == Verdict::proven);
  CHECK(verdict(1000, criteria.min_effect, 1) == Verdict::proven);  // ties are no slowdown
  CHECK(verdict(1000, criteria.limit, 1) == Verdict::regressed);
}

TEST_CASE("PROVEN is an interval that ends below the limit", "[e_process]") {
  std::mt19937_64 random(5);
  const Criteria criteria;
  int proven = 0;
  for (int run = 0; run < 300; ++run) {
    std::normal_distribution<double> noise(0.01 + 0.0001 * run, 0.02);
    std::vector<double> values;
    for (int i = 0; i < 20; ++i) values.push_back(noise(random));
    const Judgement judgement = judge(values, 1, 1, criteria);
    CHECK((judgement.verdict == Verdict::proven) == (judgement.interval.high < criteria.limit));
    proven += judgement.verdict == Verdict::proven;
  }
  CHECK(proven > 20);
  CHECK(proven < 280);
}
