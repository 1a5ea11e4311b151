#include <gmock/gmock.h>

#include "unit/diagnosis/incident_fixture.hpp"

namespace gpuwarden::diagnosis {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::vector<Duration> every(Duration period, int times) {
  std::vector<Duration> ages;
  for (int i = 0; i < times; ++i) ages.push_back(period * i + 1s);
  return ages;
}

std::optional<Duration> period(const std::vector<Duration>& ages) {
  return period_of(bursts_of(failed_at(ages)));
}

TEST(Period, OfTheIncidentThatTookHoursToSeeIsTenAndAHalfMinutes) {
  // 18:26:03, 18:36:34, 18:47:06, 18:57:35
  EXPECT_EQ(period({33min + 57s, 23min + 26s, 12min + 54s, 2min + 25s}), 10min + 31s);
}

TEST(Period, NeedsFourBursts) {
  EXPECT_EQ(period(every(10min, 3)), std::nullopt);
  EXPECT_EQ(period(every(10min, 4)), 10min);
  EXPECT_EQ(period(every(10min, 12)), 10min);
}

TEST(Period, ToleratesAQuarterAndNoMore) {
  // Pauses of 100 s, 100 s and x.
  const auto with = [](Duration x) { return period({1s, 101s, 201s, 201s + x}); };
  EXPECT_EQ(with(125s), 100s);
  EXPECT_EQ(with(126s), std::nullopt);
  EXPECT_EQ(with(75s), 100s);
  EXPECT_EQ(with(74s), std::nullopt);
}

TEST(Period, IsThatOfBurstsWhereSeveralPodsFailTogether) {
  std::vector<Duration> ages;
  for (int burst = 0; burst < 5; ++burst) {
    for (int pod = 0; pod < 4; ++pod) ages.push_back(10min * burst + 1s + 2s * pod);
  }
  const auto bursts = bursts_of(failed_at(ages));
  ASSERT_EQ(bursts.size(), 5U);
  EXPECT_EQ(bursts[0].pods, 4);
  EXPECT_EQ(bursts[0].last - bursts[0].first, 6s);
  EXPECT_EQ(bursts[0].causes, (Counts{{"start_failed", 4}}));
  EXPECT_EQ(period_of(bursts), 10min);
}

TEST(Bursts, WhatFollowsWithinSecondsIsOneBurstHoweverRegular) {
  EXPECT_EQ(bursts_of(failed_at(every(10s, 8))).size(), 1U);
  EXPECT_EQ(bursts_of(failed_at(every(29s, 8))).size(), 1U);
  EXPECT_EQ(bursts_of(failed_at(every(30s, 8))).size(), 8U);
}

TEST(Bursts, APauseFourTimesAsLongSeparatesThem) {
  EXPECT_EQ(bursts_of(failed_at({1s, 11s, 21s, 61s, 71s})).size(), 2U);
  EXPECT_EQ(bursts_of(failed_at({1s, 11s, 21s, 60s, 70s})).size(), 1U);
}

TEST(Bursts, AreOneWhereEverythingFailsAtOnce) {
  EXPECT_EQ(bursts_of(failed_at({5s, 5s, 5s, 5s})).size(), 1U);
  EXPECT_EQ(bursts_of(failed_at({5s})).size(), 1U);
  EXPECT_TRUE(bursts_of({}).empty());
}

TEST(Pattern, CountsBothHalvesOfTheTimeSinceTheFirstFailure) {
  const auto report = make_report(incident_of(failed_at({100min, 40min, 30min, 20min, 10min})), 2h);
  EXPECT_EQ(report.pattern.earlier, 1);
  EXPECT_EQ(report.pattern.later, 4);
}

const Change* change(const IncidentReport& report, const std::string& what) {
  for (const Change& each : report.pattern.changes) {
    if (each.what == what) return &each;
  }
  return nullptr;
}

TEST(Changes, ANewCommitThatOnlyFailsAfterAnOldOneThatWorkedIsNamedWithTheWayBack) {
  const auto report = make_report(
      incident_of({failed(1, 10min), failed(2, 20min)}, {success(3, 40min), success(4, 50min)}), 2h);
  ASSERT_EQ(report.pattern.changes.size(), 1U);
  const Change& commit = report.pattern.changes[0];
  EXPECT_EQ(commit.what, "commit");
  EXPECT_EQ(commit.value, "new");
  EXPECT_EQ(commit.previous, "old");
  EXPECT_EQ(commit.since, kNow - 21min) << "when the first one was asked for";
  EXPECT_EQ(commit.previous_success, kNow - 40min);
  EXPECT_EQ(commit.failures, 2);
  EXPECT_EQ(commit.previous_successes, 2);
  EXPECT_THAT(words(report.fixes),
              HasSubstr("Go back to the commit that worked: 2 starts succeeded before, the last at "
                        "2025-10-15T18:20:00Z\n$ WORKER_REPO_REF=old "));
}

TEST(Changes, NeedTwoFailures) {
  EXPECT_TRUE(make_report(incident_of({failed(1, 10min)}, {success(3, 40min)}), 2h).pattern.changes.empty());
}

TEST(Changes, NeedASuccessOfBefore) {
  const std::vector<FailedWorker> failures{failed(1, 10min), failed(2, 20min)};
  EXPECT_TRUE(make_report(incident_of(failures), 2h).pattern.changes.empty());
  EXPECT_TRUE(make_report(incident_of(failures, {success(3, 1min)}), 2h).pattern.changes.empty())
      << "that shows what mended it";
}

TEST(Changes, AreNotBlamedWhereTheSameValueSucceeded) {
  StartRecord same = success(5, 45min);
  same.git_commit = "new";
  const auto report =
      make_report(incident_of({failed(1, 10min), failed(2, 20min)}, {success(3, 50min), same}), 2h);
  EXPECT_TRUE(report.pattern.changes.empty());
  EXPECT_TRUE(rules_out(report, "The commit as such"));
}

TEST(Changes, SeveralTriesToMendItAreOneChangeThatBeganWithTheFirst) {
  std::vector<FailedWorker> failures{failed(1, 10min), failed(2, 20min), failed(3, 30min)};
  failures[0].git_commit = "newest";
  const auto report = make_report(incident_of(failures, {success(4, 40min)}), 2h);
  ASSERT_NE(change(report, "commit"), nullptr);
  EXPECT_EQ(change(report, "commit")->value, "new");
  EXPECT_EQ(change(report, "commit")->failures, 3);
}

TEST(Changes, AnImageAndAScriptThatChangedTogetherAreBothNamed) {
  std::vector<FailedWorker> failures{failed(1, 10min), failed(2, 20min)};
  for (FailedWorker& failure : failures) {
    failure.image = "worker:2";
    failure.script_hash = "bbbb";
    failure.git_commit = "old";
  }
  const auto report = make_report(incident_of(failures, {success(4, 40min)}), 2h);
  ASSERT_NE(change(report, "image"), nullptr);
  ASSERT_NE(change(report, "script"), nullptr);
  EXPECT_EQ(change(report, "image")->previous, "worker:1");
  EXPECT_THAT(words(report.fixes), HasSubstr("$ RUNPOD_WORKER_IMAGE=worker:1 "));
}

TEST(Changes, APlaceThatOnlyFailsIsNamedHoweverTheOthersStandInTime) {
  std::vector<FailedWorker> failures{failed(1, 10min), failed(2, 20min)};
  for (FailedWorker& failure : failures) {
    failure.data_center = "US-TX-3";
    failure.git_commit = "old";
  }
  const auto report = make_report(incident_of(failures, {success(4, 1min)}), 2h);
  ASSERT_EQ(report.pattern.changes.size(), 1U);
  EXPECT_EQ(report.pattern.changes[0].what, "data centre");
  EXPECT_EQ(report.pattern.changes[0].value, "US-TX-3");
}

TEST(Changes, OfUnknownValuesNothingIsSaid) {
  std::vector<FailedWorker> failures{failed(1, 10min), failed(2, 20min)};
  for (FailedWorker& failure : failures) failure.git_commit.clear();
  EXPECT_TRUE(make_report(incident_of(failures, {success(4, 40min)}), 2h).pattern.changes.empty());
}

}  // namespace
}  // namespace gpuwarden::diagnosis
