#include "policy/breaker_evidence.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "breaker_starts.hpp"

namespace gpuwarden::policy {
namespace {

TEST(Evidence, SortsOutcomesThatComeInAnotherOrder) {
  auto outcomes = starts("++++-----");
  std::reverse(outcomes.begin(), outcomes.end());
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 0);
}

TEST(Evidence, IsNotCalmedByPodsThatStartedBeforeTheFaultAndSucceedAfterIt) {
  const auto started = [](int second) {
    return WorkerId(fmt::format("gpu-default-202611240000{:02d}-0000000a", second));
  };
  auto outcomes = starts("+-+-+-+--");  // by when they ended
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    outcomes[i].worker = started(outcomes[i].success ? 10 : 30 + static_cast<int>(i));
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 5);
  for (StartOutcome& outcome : outcomes) {
    if (outcome.success) outcome.worker = started(50);
  }
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 0);
}

TEST(Evidence, KnowsFromTheNameWhenAPodWasAskedFor) {
  const WallTime asked = *parse_time("2026-11-24T01:02:03Z");
  EXPECT_EQ(asked_for_at(make_worker_id("default", asked + 999ms, 7)), asked);
  EXPECT_EQ(asked_for_at(WorkerId("gpu-x-20260229010203-0000000a")), std::nullopt);  // no such day
  EXPECT_EQ(asked_for_at(WorkerId("gpu-x-2026112401020x-0000000a")), std::nullopt);
  EXPECT_EQ(asked_for_at(WorkerId("w1")), std::nullopt);
  EXPECT_EQ(asked_for_at(WorkerId{}), std::nullopt);
}

/// Failures that look like their letter, successes '+', newest first.
std::vector<StartOutcome> ways(std::string_view newest_first) {
  auto outcomes = starts(newest_first);
  for (std::size_t i = 0; i < newest_first.size(); ++i) {
    if (newest_first[i] == '.') continue;
    outcomes[i].cause = FailureCause::start_failed;
    outcomes[i].fingerprint = std::string(1, newest_first[i]);
  }
  return outcomes;
}

bool repeats(std::string_view newest_first) {
  return tally_of(ways(newest_first), BreakerMemory{}, Settings{}).repeats.has_value();
}

TEST(Repeats, AreThreeFailuresInARowThatLookTheSame) {
  EXPECT_FALSE(repeats("xx"));
  EXPECT_TRUE(repeats("xxx"));
  EXPECT_TRUE(repeats("xxx++++"));
  EXPECT_FALSE(repeats("xxy"));
  EXPECT_FALSE(repeats("xyx"));
  EXPECT_FALSE(repeats("yxx"));
  EXPECT_FALSE(repeats("xx+x"));
  EXPECT_FALSE(repeats("+xxx"));
  EXPECT_FALSE(repeats("..."));  // without a fingerprint nothing is known to be the same
}

TEST(Repeats, AreNewOnesOnlyNotWhatStartsHaveSurvived) {
  EXPECT_TRUE(repeats("xxxyx"));  // no success between
  EXPECT_FALSE(repeats("xxx+x"));
  EXPECT_FALSE(repeats("xxxx+++++y+x+"));
  EXPECT_TRUE(repeats("xxx+y"));
}

TEST(Repeats, AreNotInterruptedByFaultsOfAnotherClass) {
  auto outcomes = ways("xyxyx");
  EXPECT_FALSE(tally_of(outcomes, BreakerMemory{}, Settings{}).repeats);
  outcomes[1].cause = outcomes[3].cause = FailureCause::pod_error;
  const Tally seen = tally_of(outcomes, BreakerMemory{}, Settings{});
  EXPECT_EQ(seen.repeats, FailureCause::start_failed);
  EXPECT_EQ(seen.fingerprint, "x");
}

TEST(Repeats, WaitForStartsBetweenThemThatHaveNotEnded) {
  const WallTime now = *parse_time("2026-11-24T01:00:00Z");
  Snapshot snapshot = snapshot_of(ways("xxx"), BreakerMemory{});
  snapshot.db_now = now;
  for (int i = 0; i < 3; ++i)  // asked for 3, 4 and 5 minutes ago
    snapshot.outcomes[static_cast<std::size_t>(i)].worker = make_worker_id("d", now - 1min * (3 + i), 1);
  const auto seen = [&](Duration asked_ago) {
    Worker worker;
    worker.id = make_worker_id("d", now - asked_ago, 2);
    worker.generation = 1;
    snapshot.workers = {worker};
    const Evidence evidence = collect_evidence(snapshot, Settings{});
    View view;
    for (const Start& start : evidence.starts) view.push_back(&start);
    return tally(view, evidence.under_way, Settings{}).repeats.has_value();
  };
  EXPECT_TRUE(seen(2min));
  EXPECT_TRUE(seen(3min - 1s));
  EXPECT_FALSE(seen(3min));
  EXPECT_FALSE(seen(4min));
  EXPECT_FALSE(seen(5min));
  EXPECT_TRUE(seen(5min + 1s));
}

TEST(SlowSuccess, IsHalfAFailureBeyondTheP99OfTheTwentyBefore) {
  // Logarithms around those of a minute with a deviation of 0.5: the p99 lies at exp(2.326 x 0.5).
  const auto failures = [](int before, double deviations) {
    auto outcomes = starts(std::string(static_cast<std::size_t>(before) + 1, '+'));
    std::vector<double> logs;
    for (std::size_t i = 1; i < outcomes.size(); ++i) {
      const double step = i % 2 == 0 ? 0.5 : -0.5;
      outcomes[i].took = Duration(static_cast<Duration::rep>(60000 * std::exp(step)));
    }
    const double deviation = 0.5 * std::sqrt(before / (before - 1.0));
    outcomes[0].took = Duration(static_cast<Duration::rep>(60000 * std::exp(deviations * deviation)));
    return tally_of(outcomes, BreakerMemory{}, Settings{}).failures;
  };
  EXPECT_EQ(failures(20, 2.35), 0.5);
  EXPECT_EQ(failures(20, 2.30), 0);
  EXPECT_EQ(failures(18, 9), 0);  // too few to say
}

TEST(SlowSuccess, IsNotFoundInASecondOfDifference) {
  auto outcomes = starts(std::string(41, '+'));
  for (StartOutcome& outcome : outcomes) outcome.took = 60s;
  outcomes[0].took = 70s;
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures, 0);
  outcomes[0].took = 77s;  // exp(2.326 x 0.1) = 1.26
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures, 0.5);
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 0);
}

}  // namespace
}  // namespace gpuwarden::policy
