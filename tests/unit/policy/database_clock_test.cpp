#include "policy/database_clock.hpp"

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

struct DatabaseClock : testing::Test {
  World world;
  /// The clock is set: every age that spans this instant changes by as much.
  void set_clock(Duration by) {
    world.snapshot.db_now += by;
    const auto change = [&](Duration& age) { age = std::max(age + by, Duration{0}); };
    for (Worker& worker : world.snapshot.workers) {
      change(worker.age);
      change(worker.phase_age);
      if (worker.heartbeat_age) change(*worker.heartbeat_age);
      if (worker.idle_for) change(*worker.idle_for);
    }
    for (RunningTask& task : world.snapshot.running) change(task.running_for);
  }
  /// Everybody who had sent heartbeats sends one.
  void beat() {
    for (Worker& worker : world.snapshot.workers) {
      if (worker.heartbeat_age) worker.heartbeat_age = 0s;
    }
  }
  Plan quiet(Duration duration) {
    for (Duration passed{0}; passed < duration; passed += 5s) {
      world.pass(5s);
      beat();
      const Plan plan = world.tick();
      EXPECT_TRUE(actions<FailWorker>(plan).empty()) << format_duration(passed) << words(plan);
      EXPECT_TRUE(actions<DrainWorker>(plan).empty()) << format_duration(passed) << words(plan);
      if (HasFailure()) return plan;
    }
    return world.tick();
  }
};

TEST_F(DatabaseClock, ThatGoesAheadAnHourEndsNobody) {
  world.settings.max_active = 4;
  world.settings.min_active = 4;
  world.busy(1000s);
  world.idle();
  world.spawning(Phase::bootstrapping, 1000s, PodStatus::running);
  world.bringing_up = {world.snapshot.workers.back().id};
  Worker& draining = world.busy(100s);
  draining.status = WorkerStatus::terminating;
  draining.phase = Phase::draining;
  draining.phase_age = 100s;
  world.settle();
  quiet(10s);
  set_clock(1h);
  quiet(150s);
}

TEST_F(DatabaseClock, StopsNoDeadline) {
  world.settings.max_active = 1;
  world.busy(1000s);
  world.settle();
  quiet(10s);
  set_clock(1h);
  quiet(50s);  // 190 s are left
  int ticks = 0;
  while (ticks < 200 && actions<FailWorker>(world.run(5s)).empty()) ++ticks;
  EXPECT_EQ(ticks, 28) << "1000 s + 60 s + 5 s * 28 = 1200 s";
}

TEST_F(DatabaseClock, CountsAWorkersHeartbeatsAsBefore) {
  world.settings.max_active = 1;
  world.settings.min_active = 1;
  world.idle();
  world.settle();
  world.run(20s);
  set_clock(1h);
  const auto& seen = world.memory.workers.begin()->second;
  const MonoTime last = seen.heartbeat_changed;
  world.run(10s, false);
  EXPECT_EQ(seen.heartbeat_changed, last) << "a jump is no heartbeat";
  world.run(5s, true);
  EXPECT_EQ(seen.heartbeat_changed, world.now);
}

TEST_F(DatabaseClock, IsJudgedByMoreThanHalfAMinute) {
  world.tick();
  for (const auto& [by, jumps] : {std::pair<Duration, std::size_t>{30s, 0}, {30'001ms, 1}}) {
    World other = world;
    other.pass(5s);
    other.snapshot.db_now += by;
    other.tick();
    EXPECT_EQ(other.memory.clock_jumps.size(), jumps);
  }
}

TEST_F(DatabaseClock, ThatIsSetBackTakesItsJumpBack) {
  world.tick();
  world.pass(5s);
  set_clock(1h);
  world.tick();
  EXPECT_EQ(jumped_ahead(world.memory), 1h);
  world.pass(5s);
  set_clock(-1h);
  world.tick();
  EXPECT_EQ(jumped_ahead(world.memory), 0s);
  EXPECT_TRUE(world.memory.clock_jumps.empty());
  set_clock(-1h);  // behind the beginning: ages are only shorter
  world.tick();
  EXPECT_EQ(jumped_ahead(world.memory), 0s);
}

TEST_F(DatabaseClock, IsComparedWhenTheSnapshotCameAndNotWhenTheListDid) {
  Memory memory;
  note_database_clock(memory, world.snapshot, world.now);
  world.pass(60s);
  note_database_clock(memory, world.snapshot, world.now);
  EXPECT_TRUE(memory.clock_jumps.empty());
  note_database_clock(memory, world.snapshot, world.now - 31s);
  EXPECT_EQ(memory.clock_jumps.size(), 1U);
}

TEST_F(DatabaseClock, KeepsFewJumpsForADay) {
  world.tick();
  for (int i = 0; i < 100; ++i) {
    world.pass(5s);
    world.snapshot.db_now += 1h;
    world.tick();
  }
  EXPECT_EQ(world.memory.clock_jumps.size(), 8U);
  world.pass(24h + 1ms);
  world.tick();
  EXPECT_TRUE(world.memory.clock_jumps.empty());
}

}  // namespace
}  // namespace gpuwarden::policy
