#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/tick.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// One worker at a task, and what is remembered of it.
struct Seen : testing::Test {
  World world;
  Seen() {
    world.settings.max_active = 1;
    world.busy();
  }
  Worker& worker() { return world.snapshot.workers.front(); }
  Memory::WorkerSeen& seen() { return world.memory.workers.at(worker().id); }
};

TEST_F(Seen, AHeartbeatIsAStampThatMovedByMoreThanHalfASecondEitherWay) {
  for (const Duration step : {500ms, 501ms, -500ms, -501ms}) {
    worker().heartbeat_age = 5s;
    world.memory = {};
    world.tick();
    const MonoTime before = world.now;
    world.now += 1s;
    worker().heartbeat_age = 5s - step;  // the database's clock stands still
    world.tick();
    const bool moved = step > 500ms || step < -500ms;
    EXPECT_EQ(seen().heartbeat_changed, moved ? world.now : before) << step.count();
  }
}

TEST_F(Seen, AHeartbeatEndsAllDoubtsAboutTheWorker) {
  world.tick();
  const auto doubt = [&] {
    seen().restarted = true;
    seen().unanswered_since = seen().last_log_look = seen().log_moved = world.now;
    seen().probed_alive = false;
    seen().log_line = world.snapshot.db_now;
  };
  doubt();
  world.run(5s, false);
  EXPECT_TRUE(seen().restarted);
  EXPECT_TRUE(seen().unanswered_since && seen().last_log_look && seen().log_moved);
  EXPECT_TRUE(seen().probed_alive && seen().log_line);
  world.run(5s);
  EXPECT_FALSE(seen().restarted);
  EXPECT_FALSE(seen().unanswered_since);
  EXPECT_FALSE(seen().last_log_look);
  EXPECT_FALSE(seen().log_moved);
  EXPECT_FALSE(seen().probed_alive);
  EXPECT_FALSE(seen().log_line);
}

TEST_F(Seen, ARestartIsForgottenWithTheNextHeartbeatAlsoWhenSilenceFollows) {
  world.settle();
  world.pods.front().uptime = 500s;
  world.tick();
  world.pods.front().uptime = 1s;
  world.tick();
  ASSERT_TRUE(seen().restarted);
  world.run(5s);
  for (int i = 0; i < 15; ++i) EXPECT_TRUE(actions<FailWorker>(world.run(5s, false)).empty()) << i;
}

TEST_F(Seen, ARestartIsAnUptimeMoreThanFiveSecondsBackAlsoWhereOneReadLacksIt) {
  for (const Duration back : {5s - 0ms, 5s + 1ms}) {
    world.memory = {};
    world.pods.front().uptime = 500s;
    world.tick();
    world.pods.front().uptime.reset();
    world.tick();
    world.pods.front().uptime = 500s - back;
    world.tick();
    EXPECT_EQ(seen().restarted, back > Duration(5s));
  }
}

TEST_F(Seen, AnAgentsRestartIsAnUptimeMoreThanFiveSecondsBack) {
  for (const Duration back : {5s - 0ms, 5s + 1ms}) {
    world.memory = {};
    world.snapshot.running.front().running_for = 2000s;  // not settled by the same tick
    worker().agent_uptime = 500s;
    world.tick();
    worker().agent_uptime = 500s - back;
    world.tick();
    EXPECT_EQ(seen().agent_restarted, back > Duration(5s));
    EXPECT_EQ(seen().agent_uptime, 500s - back);
  }
}

TEST_F(Seen, AnAbsenceIsOverWhenThePodIsListedOrAnActionRuns) {
  const auto pods = world.pods;
  for (const bool by_action : {false, true}) {
    world.pods = pods;
    world.tick();
    world.pods.clear();
    world.run(10s);
    EXPECT_EQ(seen().absent_lists, 2);
    EXPECT_EQ(seen().absent_since, world.now - 5s);
    if (by_action) {
      world.in_flight = {worker().id};
    } else {
      world.pods = pods;
    }
    world.run(5s);
    EXPECT_EQ(seen().absent_lists, 0);
    EXPECT_FALSE(seen().absent_since);
    world.in_flight.clear();
  }
}

TEST_F(Seen, AnAnswerCountsFromTheTickInWhichItCame) {
  world.tick();
  seen().unanswered_since = world.now;
  world.shell_probe = {{worker().id, true}, {world.name(77), false}};
  world.pass(5s);
  world.tick();
  EXPECT_EQ(seen().probed_at, world.now);
  EXPECT_EQ(seen().probed_alive, true);
  EXPECT_FALSE(seen().unanswered_since);
}

TEST_F(Seen, WhatIsKnownOfAWorkerStaysWhenAnotherOneEnds) {
  world.settings.max_active = 2;
  world.busy();
  world.run(20s);
  EXPECT_EQ(world.memory.ticks, 4U);
  seen().log_line = world.snapshot.db_now;
  const MonoTime first = seen().first_seen;
  world.snapshot.workers.pop_back();
  world.pods.pop_back();
  world.run(5s, false);
  EXPECT_EQ(world.memory.workers.size(), 1U);
  EXPECT_EQ(first, MonoTime{1005s});
  EXPECT_EQ(seen().first_seen, first);
  EXPECT_TRUE(seen().log_line);
}

TEST(Deletes, AreForgottenAnHourAfterTheirLastPause) {
  World world;
  world.memory.deletes[PodId("p1")].next = world.now;
  world.pass(1h);
  world.tick();
  EXPECT_EQ(world.memory.deletes.size(), 1U);
  world.pass(1ms);
  world.tick();
  EXPECT_TRUE(world.memory.deletes.empty());
}

TEST(RenamedPods, AreStillTheWorkersOwn) {
  World world;
  world.settings.max_active = 2;
  Worker& worker = world.busy();
  world.busy();
  const PodId own = worker.pod;
  world.pods.front().name = "my-experiment";
  world.stray("x", "another-experiment");
  for (int i = 0; i < 5; ++i) {
    const Plan plan = world.run(5s);
    EXPECT_TRUE(plan.actions.empty()) << words(plan);
    EXPECT_NE(gate(plan, "foreign_name"), nullptr);
  }
  EXPECT_EQ(world.memory.workers.at(worker.id).absent_lists, 0);
}

TEST(SpawnsUnderWay, CountOnceWhetherTheirRowIsReadOrNot) {
  for (const bool row_is_read : {true, false}) {
    World world;
    world.snapshot.queue.queued = 5;
    WorkerId worker = world.name(50);
    if (row_is_read) worker = world.row(WorkerStatus::spawning, Phase::intent, 1s).id;
    world.in_flight = {worker};
    EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 1U);  // two may be unproven
  }
}

TEST(Rows, OfWorkersThatHaveEndedAreNotLookedAt) {
  World world;
  world.row(WorkerStatus::terminated, Phase::gone);
  world.tick();
  EXPECT_TRUE(world.memory.workers.empty());
}

TEST(Rows, ThatComeTwiceCountOnce) {
  World world;
  world.settings.max_active = 1;
  world.busy();
  world.snapshot.workers.push_back(world.snapshot.workers.front());
  world.snapshot.workers.back().crash = CrashReport{};
  EXPECT_TRUE(world.run(60s).actions.empty());
}

TEST(Actions, ThatEndAWorkerAreNoCapacityAnyMore) {
  World world;
  const Observation seen{};
  Snapshot snapshot;
  Memory memory;
  Plan plan;
  Tick tick{seen, snapshot, world.settings, memory, plan, world.now, 1, {}, {}, 0, {}};
  const auto ends = [&](Action action) {
    Member member;
    tick.act(member, std::move(action), "why");
    EXPECT_FALSE(member.free());
    return member.ending;
  };
  EXPECT_TRUE(ends(FailWorker{}));
  EXPECT_TRUE(ends(DrainWorker{}));
  EXPECT_TRUE(ends(DeletePod{}));
  EXPECT_TRUE(ends(AbandonIntent{}));
  EXPECT_FALSE(ends(AdoptPod{}));
  EXPECT_FALSE(ends(ActivateWorker{}));
  EXPECT_FALSE(ends(ProbeWorker{}));
  EXPECT_EQ(plan.actions.size(), 7U);
}

TEST(OwnPod, IsTheRowsOrElseTheNamesakeAndNeverWhatBearsAnotherName) {
  World world;
  const Observation seen{};
  Snapshot snapshot;
  Memory memory;
  Plan plan;
  const Tick tick{seen, snapshot, world.settings, memory, plan, world.now, 1, {}, {}, 0, {}};
  Worker worker;
  worker.id = world.name(1);
  Pod pod;
  pod.id = PodId("listed");
  pod.name = worker.id.str();
  Member member;
  member.worker = &worker;
  EXPECT_TRUE(own_pod(tick, member).empty());
  member.pod = &pod;
  EXPECT_EQ(own_pod(tick, member), PodId("listed"));
  worker.pod = PodId("row");
  EXPECT_EQ(own_pod(tick, member), PodId("row"));
  member.pod = nullptr;
  EXPECT_EQ(own_pod(tick, member), PodId("row"));
  member.pod = &pod;
  pod.name = "renamed";
  EXPECT_TRUE(own_pod(tick, member).empty());
  pod.name = "gpu-other-20261124000000-00000001";
  worker.id = WorkerId(pod.name);
  EXPECT_TRUE(own_pod(tick, member).empty());
}

}  // namespace
}  // namespace gpuwarden::policy
