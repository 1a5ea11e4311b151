#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// A worker at a task whose agent reports its uptime.
struct Restart : testing::Test {
  World world;
  Restart() {
    world.settings.max_active = 1;
    world.busy(300s);
    agent(1000s);
    world.tick();
  }
  Worker& worker() { return world.snapshot.workers.front(); }
  void agent(Duration uptime) {
    worker().agent_uptime = uptime;
    worker().heartbeat_age = 1s;
  }
  Duration& running_for() { return world.snapshot.running.front().running_for; }
};

TEST_F(Restart, UnderATaskFailsTheWorkerAtOnceAlthoughItsHeartbeatsGoOn) {
  world.pass(5s);
  agent(2s);
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::pod_exited);
  EXPECT_NE(reason_of<FailWorker>(plan).find("under task"), std::string::npos);
}

TEST_F(Restart, IsWhatMoreThanFiveSecondsBackMean) {
  world.pass(5s);
  agent(995s);
  EXPECT_TRUE(world.tick().actions.empty());
  EXPECT_FALSE(world.memory.workers.at(worker().id).agent_restarted);
  agent(989'999ms);
  world.tick();
  running_for() = 2000s;
  agent(980s);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST_F(Restart, SparesATaskThatWasClaimedBehindIt) {
  world.pass(5s);
  agent(60s);
  running_for() = 66s;  // agent 60 s, heard of 1 s ago, and 5 s of slack
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST_F(Restart, FailsAWorkerWhoseTaskIsJustOlder) {
  world.pass(5s);
  agent(60s);
  running_for() = 66'001ms;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST_F(Restart, OfAnIdleWorkerIsNoMatter) {
  world.snapshot.running.clear();
  world.snapshot.queue = {};
  worker().tasks.clear();
  worker().phase = Phase::idle;
  worker().idle_for = 1s;
  world.settings.min_active = 1;
  world.pass(5s);
  agent(2s);
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST_F(Restart, IsNoneWhenOnlyTheDatabasesClockJumps) {
  world.snapshot.db_now += 1h;
  running_for() += 1h;
  *worker().heartbeat_age += 1h;
  EXPECT_TRUE(world.tick().actions.empty());
  agent(1005s);
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST_F(Restart, IsNotSeenByADaemonThatHasNeverSeenTheOldUptime) {
  world.memory = {};
  agent(2s);
  EXPECT_TRUE(world.tick().actions.empty());
}

struct Hint {
  const char* what;
  PodStatus status;
  bool listed, restarted, believed_after_outage;
};
class Hints : public testing::TestWithParam<Hint> {};

/// What the provider says of an active worker that is silent for 40 s, in quiet times and after an outage.
TEST_P(Hints, AreNotBelievedAfterAnOutageInWhichNobodyCouldReport) {
  for (const bool outage : {false, true}) {
    World world;
    world.settings.max_active = 1;
    Worker& worker = world.busy();
    world.pods.front().uptime = 1000s;
    world.settle();
    world.database_readable = !outage;
    world.run(60s, false);
    world.database_readable = true;
    worker.heartbeat_age = 41s;
    world.pods.front().status = GetParam().status;
    if (GetParam().restarted) world.pods.front().uptime = 1s;
    if (!GetParam().listed) world.pods.clear();
    world.tick();
    world.pass(1s);
    const Plan plan = world.tick();
    const bool failed = !actions<FailWorker>(plan).empty();
    EXPECT_EQ(failed, !outage || GetParam().believed_after_outage) << outage << words(plan);
  }
}

INSTANTIATE_TEST_SUITE_P(Signs, Hints,
                         testing::Values(Hint{"exited", PodStatus::exited, true, false, true},
                                         Hint{"error", PodStatus::error, true, false, true},
                                         Hint{"vanished", PodStatus::running, false, false, false},
                                         Hint{"restarted", PodStatus::running, true, true, false}),
                         [](const auto& info) { return std::string(info.param.what); });

}  // namespace
}  // namespace gpuwarden::policy
