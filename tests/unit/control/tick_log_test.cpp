#include "control/tick_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/recording_log.hpp"

namespace gpuwarden::control {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Duration kPoll = 5s;
constexpr Duration kSummaryEvery = 5min;

struct TickLogTest : testing::Test {
  fakes::RecordingLog log;
  TickLog ticks;
  TickReport report;

  TickLogTest() {
    report.now = MonoTime(1h);
    report.pods.emplace();
    report.snapshot.emplace();
    report.snapshot->leader.leading = true;
    report.snapshot->writable = true;
    tick();
    log.lines.clear();
  }
  void tick(int count = 1) {
    for (int i = 0; i < count; ++i) {
      report.now += kPoll;
      report.at += kPoll;
      ticks.tick(log, report, kSummaryEvery);
    }
  }
  void gates(std::vector<Gate> shut) { report.plan.gates = std::move(shut); }
  void lose_database() {
    report.snapshot.reset();
    report.snapshot_error = "connection refused";
    report.snapshot_error_kind = ErrorKind::unavailable;
    gates({{"database", "not readable, so nothing is done: connection refused", {}}});
  }
};

TEST_F(TickLogTest, TwentyQuietTicksAreSilent) {
  tick(20);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(TickLogTest, TheSummaryTellsTheMoneyOnceSomeIsSpent) {
  EXPECT_EQ(summary_line(report), "0 queued, 0 running; 0 active (0 idle), 0 spawning, 0 draining; wanted 0");
  report.snapshot->spent_last_day_usd = 4.4;
  report.snapshot->fruitless_last_day_usd = 1.1;
  EXPECT_EQ(
      summary_line(report),
      "0 queued, 0 running; 0 active (0 idle), 0 spawning, 0 draining; wanted 0; $4.40 in 24 hours, $1.10 of "
      "it on pods that never finished a task");
}

TEST_F(TickLogTest, TheDelaysOfScalingAreQuiet) {
  gates({{"scale_up_delay", "x", 5s}, {"scale_down_delay", "y", 5s}});
  tick();
  EXPECT_EQ(log.count("held_back"), 0);
  gates({{"over_budget", "the pods cost too much", {}}});
  tick();
  EXPECT_EQ(log.count("held_back"), 1);
}

TEST_F(TickLogTest, ASummaryComesEveryFiveMinutes) {
  tick(59);
  EXPECT_EQ(log.count("summary"), 0);
  tick();
  EXPECT_EQ(log.count("summary"), 1);
  tick(120);
  EXPECT_EQ(log.count("summary"), 3);
  EXPECT_EQ(log.lines.size(), 3U);
}

TEST_F(TickLogTest, AWallClockThatIsSetBackDoesNotSilenceTheSummary) {
  report.at -= 1h;
  tick(60);
  EXPECT_EQ(log.count("summary"), 1);
}

TEST_F(TickLogTest, AWallClockThatIsSetForwardBringsNoSummaryEarly) {
  report.at += 1h;
  tick(10);
  EXPECT_EQ(log.count("summary"), 0);
}

TEST_F(TickLogTest, PodsThatCannotBeDeletedAreToldOfEveryHour) {
  gates({{"undeletable", "still there: pod-1", {}}});
  tick(720);
  EXPECT_EQ(log.count("held_back"), 1);
  tick();
  EXPECT_EQ(log.count("held_back"), 2);
  tick(719);
  EXPECT_EQ(log.count("held_back"), 2);
  tick();
  EXPECT_EQ(log.count("held_back"), 3);
}

TEST_F(TickLogTest, OtherGatesAreToldOfOnce) {
  gates({{"breaker", "open", {}}});
  tick(2000);
  EXPECT_EQ(log.count("held_back"), 1);
}

TEST_F(TickLogTest, EachFailureOfANewScriptIsToldOfOnce) {
  gates({{"script_canary", "abc is tried on one pod first", {}}});
  tick(5);
  gates({{"script_canary", "abc failed on pod-1", 120s}});
  tick(5);
  gates({{"script_canary", "abc failed on pod-2", 240s}});
  tick(5);
  EXPECT_EQ(log.count("held_back"), 3);
}

TEST_F(TickLogTest, AnOutageOfTheDatabaseIsOneLineAndItsEndIsOne) {
  const auto snapshot = report.snapshot;
  lose_database();
  tick(20);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.lines[0].event, "source_lost");
  EXPECT_EQ(log.field("source_lost", "service"), "supabase");
  EXPECT_EQ(log.field("source_lost", "error"), "connection refused");
  EXPECT_EQ(log.field("source_lost", "kind"), "unavailable");
  report.snapshot = snapshot;
  gates({});
  tick(20);
  ASSERT_EQ(log.lines.size(), 2U);
  EXPECT_EQ(log.lines[1].event, "source_back");
}

TEST_F(TickLogTest, AnOutageOfThePodListIsOneLine) {
  report.pods.reset();
  report.pods_error = "502";
  gates({{"pods", "the list is not complete, so what depends on it waits: 502", {}}});
  tick(20);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.field("source_lost", "service"), "runpod");
}

TEST_F(TickLogTest, AGateIsNotReleasedByATickThatSawNothing) {
  gates({{"breaker", "open: 6 of 6 starts failed", 2min}});
  tick();
  EXPECT_EQ(log.count("held_back"), 1);
  const auto snapshot = report.snapshot;
  lose_database();
  tick(3);
  EXPECT_EQ(log.count("released"), 0);
  report.snapshot = snapshot;
  gates({{"breaker", "open: 6 of 6 starts failed", 1min}});
  tick();
  EXPECT_EQ(log.count("held_back"), 1) << "it never was away";
  gates({});
  tick();
  EXPECT_EQ(log.count("released"), 1);
  EXPECT_EQ(log.field("released", "gate"), "breaker");
}

TEST_F(TickLogTest, ADatabaseThatAnswersReadsOnlyIsAGateThatIsReleased) {
  report.snapshot->writable = false;
  gates({{"database", "it answers reads only, so nothing is done", {}}});
  tick(20);
  EXPECT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.field("held_back", "gate"), "database");
  report.snapshot->writable = true;
  gates({});
  tick();
  EXPECT_EQ(log.field("released", "gate"), "database");
}

TEST_F(TickLogTest, ADatabaseThatAnswersReadsOnlyIsNotTakenForAnotherLeader) {
  report.snapshot->leader = {false, 7, "us"};
  report.snapshot->writable = false;
  gates({{"database", "it answers reads only, so nothing is done", {}}});
  tick(20);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.lines[0].event, "held_back");
  EXPECT_EQ(summary_line(report), "Supabase answers reads only: nothing is done");
}

TEST_F(TickLogTest, ADaemonThatStandsBySaysSoInOneLine) {
  report.snapshot->leader.leading = false;
  report.snapshot->leader.holder = "the other one";
  gates({{"leader", "the other one leads; we wait", {}}});
  tick(20);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.lines[0].event, "standing_by");
  EXPECT_THAT(log.lines[0].message, HasSubstr("the other one"));
}

TEST_F(TickLogTest, AnActionIsLoggedWithWorkerPodCauseReasonAndDuration) {
  ActionResult result;
  result.action = "drain";
  result.worker = "gpu-1";
  result.pod = "pod-1";
  result.reason = "idle for 10m";
  result.cause = "heartbeat_lost";
  result.ok = true;
  result.detail = "draining";
  result.took = 1500ms;
  ticks.action_done(log, result);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(log.lines[0].message, "draining");
  EXPECT_EQ(log.field("drain", "worker"), "gpu-1");
  EXPECT_EQ(log.field("drain", "pod"), "pod-1");
  EXPECT_EQ(log.field("drain", "cause"), "heartbeat_lost");
  EXPECT_EQ(log.field("drain", "reason"), "idle for 10m");
  EXPECT_EQ(log.field("drain", "duration"), "1s");
}

}  // namespace
}  // namespace gpuwarden::control
