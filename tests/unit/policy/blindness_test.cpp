#include <algorithm>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// A fleet with something to do in every respect.
World eventful() {
  World world;
  for (int i = 0; i < 5; ++i) world.busy();
  world.idle(1h);
  world.spawning(Phase::provisioning, 2h);
  world.spawning(Phase::connecting, 100s, PodStatus::running);
  world.row(WorkerStatus::terminating, Phase::deleting);
  world.row(WorkerStatus::spawning, Phase::unknown, 1h);
  world.stray("orphan", world.name(99).str());
  world.snapshot.queue.queued = 3;
  world.snapshot.rescuable = 2;
  return world;
}

TEST(Case01, AnUnreadableDatabaseKillsNobodyAndSpawnsNothing) {
  World world;
  for (int i = 0; i < 5; ++i) world.busy();
  world.snapshot.queue.queued = 3;
  world.settle();
  world.database_readable = false;
  for (int i = 0; i < 200; ++i) {
    const Plan plan = world.run(world.settings.poll, false);
    EXPECT_TRUE(plan.actions.empty()) << words(plan);
    ASSERT_NE(gate(plan, "database"), nullptr);
    EXPECT_NE(gate(plan, "database")->reason.find("connection refused"), std::string::npos);
  }
  world.database_readable = true;
  world.beat_all();
  const Plan plan = world.tick();
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 3U) << words(plan);
}

TEST(Blindness, AReadOnlyDatabaseStopsEverything) {
  World world = eventful();
  world.snapshot.writable = false;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(world.run(world.settings.poll, false).actions.empty());
  EXPECT_NE(gate(world.tick(), "database"), nullptr);
}

TEST(Blindness, WhoeverDoesNotLeadDoesNothing) {
  World world = eventful();
  world.snapshot.leader = {false, 8, "the other one"};
  const Plan plan = world.run(1h);
  EXPECT_TRUE(plan.actions.empty());
  ASSERT_NE(gate(plan, "leader"), nullptr);
  EXPECT_NE(gate(plan, "leader")->reason.find("the other one"), std::string::npos);
}

TEST(Blindness, ARehearsalPlansWithoutLeadership) {
  World world = eventful();
  world.snapshot.leader = {false, 8, ""};
  world.rehearsal = true;
  EXPECT_FALSE(world.tick().actions.empty());
}

TEST(Blindness, WithoutACompleteListNothingThatDependsOnItHappens) {
  World world = eventful();
  world.settle();
  world.list_complete = false;
  for (int i = 0; i < 100; ++i) {
    const Plan plan = world.run(world.settings.poll);
    for (const PlannedAction& planned : plan.actions) {
      const bool harmless = std::holds_alternative<RescueTasks>(planned.action) ||
                            std::holds_alternative<DrainWorker>(planned.action);
      EXPECT_TRUE(harmless) << words(plan);
    }
    EXPECT_NE(gate(plan, "pods"), nullptr);
  }
}

TEST(Blindness, AReportedCrashIsActedOnWithoutAList) {
  World world;
  world.busy().crash = CrashReport{std::nullopt, 1, "", {}, 5s};
  world.list_complete = false;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(Blindness, InFlightWorkersAreLeftAlone) {
  World world = eventful();
  for (const Worker& worker : world.snapshot.workers) world.in_flight.insert(worker.id);
  const Plan plan = world.run(1h, false);
  for (const PlannedAction& planned : plan.actions)
    EXPECT_FALSE(world.in_flight.contains(worker_of(planned.action))) << words(plan);
}

TEST(Spawning, IsNotOverdueRightAfterAnOutageInWhichNoHeartbeatCouldArrive) {
  World world;
  world.settle();
  world.spawning(Phase::bootstrapping, world.settings.spawning_timeout - 60s, PodStatus::running);
  EXPECT_TRUE(actions<FailWorker>(world.run(5s)).empty());
  world.database_readable = false;
  world.run(5min);
  world.database_readable = true;
  EXPECT_TRUE(actions<FailWorker>(world.run(world.settings.heartbeat_timeout - 5s)).empty());
  EXPECT_EQ(actions<FailWorker>(world.run(10s)).size(), 1U);
}

TEST(Memory, DoesNotGrowWithWorkersThatAreGone) {
  World world;
  for (int round = 0; round < 50; ++round) {
    world.snapshot.workers.clear();
    world.pods.clear();
    world.idle();
    world.spawning();
    world.stray(std::to_string(round), world.name(500 + round).str());
    world.run(20s);
  }
  EXPECT_EQ(world.memory.workers.size(), 2U);
  EXPECT_LE(world.memory.orphan_sightings.size(), 1U);
  world.snapshot.workers.clear();
  world.pods.clear();
  world.run(2h);
  EXPECT_TRUE(world.memory.workers.empty());
  EXPECT_TRUE(world.memory.deletes.empty());
  EXPECT_TRUE(world.memory.orphan_sightings.empty());
  EXPECT_TRUE(world.memory.recent_spawns.empty());
}

TEST(Decide, GivesTheSamePlanForTheSameInput) {
  World one = eventful();
  World two = eventful();
  for (int i = 0; i < 100; ++i) {
    const Plan a = one.run(one.settings.poll, i % 7 != 0);
    const Plan b = two.run(two.settings.poll, i % 7 != 0);
    ASSERT_EQ(words(a), words(b));
  }
}

/// A start whose deadline passes with the next ticks, beside workers whose heartbeats are the measure.
struct OverdueStart : testing::Test {
  World world;
  WorkerId start;

  void begin(int active) {
    for (int i = 0; i < active; ++i) world.busy();
    world.settle();
    start = world.spawning(Phase::bootstrapping, world.settings.spawning_timeout, PodStatus::running).id;
    world.bringing_up.insert(start);
  }
  bool fails(const Plan& plan) const {
    const auto failing = actions<FailWorker>(plan);
    return std::any_of(failing.begin(), failing.end(), [&](const FailWorker& one) {
      return one.worker == start && one.suspected == FailureCause::bootstrap_timeout;
    });
  }
};

TEST_F(OverdueStart, FailsWhileOthersAreHeardAndWhereNobodyCouldBe) {
  for (const int active : {0, 1, 2}) {
    world = {};
    begin(active);
    EXPECT_TRUE(fails(world.run(world.settings.poll))) << active;
  }
}

TEST_F(OverdueStart, IsLeftAloneWhileNobodyIsHeardAndForTwoHeartbeatsAndAPollAfterwards) {
  begin(2);
  const Duration poll = world.settings.poll, fresh = world.settings.heartbeat_interval * 2 + poll;
  EXPECT_TRUE(fails(world.run(poll))) << "heard a second ago";
  Duration silent = 1s;
  for (; silent + poll <= fresh; silent += poll) EXPECT_TRUE(fails(world.run(poll, false)));
  EXPECT_FALSE(fails(world.run(poll, false))) << "both were heard too long ago";
  const MonoTime unheard = world.now;
  while (world.now + poll - unheard < fresh) EXPECT_FALSE(fails(world.run(poll)));
  EXPECT_TRUE(fails(world.run(poll)));
}

TEST_F(OverdueStart, IsLeftAloneForAHeartbeatTimeoutOnceTheLastOneThatWasSilentIsGone) {
  begin(1);
  const Duration poll = world.settings.poll, fresh = world.settings.heartbeat_interval * 2 + poll;
  for (Duration silent{0}; silent <= fresh; silent += poll) world.run(poll, false);
  const MonoTime unheard = world.now;
  world.remove_pod(world.snapshot.workers.front().pod);
  world.snapshot.workers.erase(world.snapshot.workers.begin());
  while (world.now + poll - unheard < world.settings.heartbeat_timeout) EXPECT_FALSE(fails(world.run(poll)));
  EXPECT_TRUE(fails(world.run(poll)));
}

TEST_F(OverdueStart, FailsWhileOneOfManyIsHeard) {
  begin(2);
  const Duration poll = world.settings.poll, fresh = world.settings.heartbeat_interval * 2 + poll;
  for (Duration silent{0}; silent < fresh * 2; silent += poll) {
    world.pass(poll);
    world.snapshot.workers.front().heartbeat_age = fresh;
    EXPECT_TRUE(fails(world.tick())) << format_duration(silent);
  }
}

}  // namespace
}  // namespace gpuwarden::policy
