// The fleet sized by time: TARGET_QUEUE_DRAIN_SEC.
#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/scale_decision.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

struct DrainTarget : testing::Test {
  World world;

  DrainTarget() {
    world.settings.max_active = 1000;
    world.settings.queue_drain_target = 600s;
  }
  void waiting(const std::string& type, long queued) {
    world.snapshot.queue.queued += queued;
    world.snapshot.queue.by_type[type].queued += queued;
  }
  void takes(const std::string& type, Duration typical, int samples = 3) {
    world.snapshot.pace[type] = {typical, samples};
  }
  void running(const std::string& type, Duration for_so_long) {
    world.busy(for_so_long);
    world.snapshot.running.back().type = type;
    world.snapshot.queue.by_type[type].running += 1;
  }
  int size() const { return size_for(load_of(world.snapshot, world.settings).gpus, world.settings).up; }
};

TEST_F(DrainTarget, WantsOneMoreWorkerJustAboveWhatFitsIntoTheTime) {
  takes("render", 60s);
  waiting("render", 10);  // 600 s of work
  EXPECT_EQ(size(), 1);
  takes("render", 60'001ms);
  EXPECT_EQ(size(), 2);
  waiting("render", 90);
  takes("render", 60s);  // 6000 s
  EXPECT_EQ(size(), 10);
}

TEST_F(DrainTarget, WantsAWorkerForAnythingQueuedHoweverShort) {
  takes("render", 1ms);
  waiting("render", 1);
  world.settings.queue_drain_target = 31'536'000s;
  EXPECT_EQ(size(), 1);
  world.settings.scale_up_multiplier = 100;
  EXPECT_EQ(size(), 1);
  world.snapshot.queue = {};
  EXPECT_EQ(size(), 0);
}

TEST_F(DrainTarget, GivesATaskThatTakesLongerThanTheTimeOneWorkerAndNoMore) {
  takes("film", 3600s);
  waiting("film", 2);
  EXPECT_EQ(size(), 2);
}

TEST_F(DrainTarget, AddsUpTypesAndWhatIsLeftOfRunningTasks) {
  takes("render", 60s);
  takes("film", 300s);
  waiting("render", 5);    // 300 s
  running("film", 100s);   // 200 s left
  running("film", 1000s);  // longer than usual: nothing is known to be left
  const Load load = load_of(world.snapshot, world.settings);
  ASSERT_TRUE(load.drain);
  EXPECT_EQ(load.drain->work, Duration(500s));
  EXPECT_EQ(load.drain->target, Duration(600s));
  EXPECT_EQ(load.drain->timed, 7);
  EXPECT_EQ(load.drain->counted, 0);
  EXPECT_EQ(size(), 2) << "two tasks run, and each has its GPU";
}

TEST_F(DrainTarget, KeepsTheIdleBufferBesideBusyWorkers) {
  takes("film", 300s);
  for (int i = 0; i < 4; ++i) running("film", 290s);
  world.settings.keep_idle = 1;
  EXPECT_EQ(size(), 5);
}

TEST_F(DrainTarget, CountsTypesWithFewerThanThreeSamples) {
  world.settings.tasks_per_gpu = 2;
  waiting("new", 6);
  takes("new", 1s, 2);
  Load load = load_of(world.snapshot, world.settings);
  EXPECT_EQ(load.drain->counted, 6);
  EXPECT_EQ(load.drain->timed, 0);
  EXPECT_EQ(size(), 3);
  takes("new", 100s, 3);
  load = load_of(world.snapshot, world.settings);
  EXPECT_EQ(load.drain->timed, 6);
  EXPECT_EQ(size(), 1);
}

TEST_F(DrainTarget, CountsWhatNoTypeIsToldOf) {
  takes("render", 60s);
  world.snapshot.queue.queued = 4;
  EXPECT_EQ(size(), 4);
  world.snapshot.queue.by_type["render"].queued = 3;  // the fourth has no type
  EXPECT_EQ(load_of(world.snapshot, world.settings).drain->counted, 1);
  EXPECT_EQ(size(), 2);
}

TEST_F(DrainTarget, IsNotBelievedWhereTypesAddUpToMoreThanTheQueue) {
  takes("render", 60s);
  world.snapshot.queue.by_type["render"].queued = 3;
  EXPECT_EQ(load_of(world.snapshot, world.settings).drain->counted, 0);
}

TEST_F(DrainTarget, AppliesTheMultipliersAndBounds) {
  takes("render", 60s);
  waiting("render", 100);  // 10 GPUs
  world.settings.scale_up_multiplier = 2;
  world.settings.scale_down_multiplier = 0.5;
  const WantedSize wanted = size_for(load_of(world.snapshot, world.settings).gpus, world.settings);
  EXPECT_EQ(wanted.up, 5);
  EXPECT_EQ(wanted.down, 20);
  world.settings.max_active = 4;
  EXPECT_EQ(size(), 4);
}

TEST_F(DrainTarget, IsOffWhereNoTimeIsSet) {
  world.settings.queue_drain_target.reset();
  takes("render", 60s);
  waiting("render", 10);
  EXPECT_FALSE(load_of(world.snapshot, world.settings).drain);
  EXPECT_EQ(size(), 10);
}

TEST_F(DrainTarget, IsToldInThePlan) {
  takes("render", 300s);
  waiting("render", 4);
  const Plan plan = world.tick();
  EXPECT_EQ(reason_of<SpawnWorker>(plan),
            "4 queued and 0 running tasks, 20m 0s of work, want 2 workers to be done in 10m 0s, 0 are there");
  ASSERT_TRUE(plan.scale.drain);
  EXPECT_EQ(plan.scale.drain->work, Duration(1200s));
  EXPECT_EQ(plan.scale.wanted, 2);
}

}  // namespace
}  // namespace gpuwarden::policy
