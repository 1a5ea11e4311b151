// How long a need must last before the fleet grows or shrinks.
#include "policy/persistence.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

std::size_t spawns(const Plan& plan) {
  return actions<SpawnWorker>(plan).size();
}
std::size_t drains(const Plan& plan) {
  return actions<DrainWorker>(plan).size();
}

TEST(ScaleUpDelay, OfZeroActsOnTheFirstCompleteSnapshot) {
  World world;
  world.snapshot.queue.queued = 1;
  EXPECT_EQ(spawns(world.tick()), 1U);
}

TEST(ScaleUpDelay, SpawnsWhenMoreWorkersHaveBeenWantedForSoLongAndNotBefore) {
  World world;
  world.settings.scale_up_delay = 20s;
  world.run(60s);
  world.snapshot.queue.queued = 1;
  Plan plan = world.run(5s);  // seen for the first time
  EXPECT_EQ(spawns(plan), 0U);
  ASSERT_NE(gate(plan, "scale_up_delay"), nullptr) << words(plan);
  EXPECT_EQ(gate(plan, "scale_up_delay")->reason,
            "more workers are added when they have been wanted for 20s");
  world.pass(19'999ms);
  EXPECT_EQ(spawns(world.tick()), 0U);
  world.pass(1ms);
  plan = world.tick();
  EXPECT_EQ(spawns(plan), 1U) << words(plan);
  EXPECT_EQ(gate(plan, "scale_up_delay"), nullptr);
}

TEST(ScaleUpDelay, StartsAnewWhenTheNeedHasVanishedMeanwhile) {
  World world;
  world.settings.scale_up_delay = 20s;
  world.run(60s);
  world.snapshot.queue.queued = 1;
  EXPECT_EQ(spawns(world.run(20s)), 0U);
  world.snapshot.queue.queued = 0;
  world.run(5s);
  world.snapshot.queue.queued = 1;
  EXPECT_EQ(spawns(world.run(20s)), 0U);
  EXPECT_EQ(spawns(world.run(5s)), 1U);
}

TEST(ScaleUpDelay, LetsThroughWhatHasBeenWantedAllTheTime) {
  World world;
  world.settings.scale_up_delay = 20s;
  world.settings.max_active = 20;
  world.idle();
  world.idle();
  world.snapshot.queue.queued = 4;
  world.run(20s);
  world.snapshot.queue.queued = 6;  // two of the missing four have been missing for 20 s
  const Plan plan = world.run(5s);
  EXPECT_EQ(spawns(plan), 2U) << words(plan);
  EXPECT_NE(gate(plan, "scale_up_delay"), nullptr);
}

TEST(ScaleUpDelay, ReplacesALostWorkerAtOnceBecauseTheNeedIsOld) {
  World world;
  world.settings.scale_up_delay = 60s;
  world.settings.min_active = 1;
  world.idle();
  world.run(120s);
  world.snapshot.workers.clear();
  world.pods.clear();
  EXPECT_EQ(spawns(world.run(5s)), 1U);
}

TEST(ScaleUpDelay, SaysAfterARestartWhenItCouldAct) {
  World world;
  world.settings.scale_up_delay = 20s;
  world.snapshot.queue.queued = 1;
  const Plan plan = world.tick();
  ASSERT_NE(gate(plan, "scale_up_delay"), nullptr);
  EXPECT_EQ(gate(plan, "scale_up_delay")->opens_in, Duration(20s));
}

/// Three idle workers of which one has been wanted until now.
World shrinking(Duration delay) {
  World world;
  world.settings.scale_down_delay = delay;
  world.settings.scale_down_grace = 1s;
  world.settings.overcapacity_idle_timeout = 1s;
  for (int i = 0; i < 3; ++i) world.idle(100s);
  world.snapshot.queue.running = 3;
  world.run(60s);
  return world;
}

TEST(ScaleDownDelay, DrainsWhenFewerHaveBeenEnoughForSoLongAndNotBefore) {
  World world = shrinking(30s);
  world.snapshot.queue.running = 1;
  Plan plan = world.run(5s);  // seen for the first time
  EXPECT_EQ(drains(plan), 0U) << words(plan);
  ASSERT_NE(gate(plan, "scale_down_delay"), nullptr) << words(plan);
  EXPECT_EQ(gate(plan, "scale_down_delay")->reason, "2 workers could go when fewer have been enough for 30s");
  EXPECT_EQ(gate(plan, "scale_down_delay")->opens_in, Duration(30s));
  world.pass(29'999ms);
  world.beat_all();
  EXPECT_EQ(drains(world.tick()), 0U);
  world.pass(1ms);
  EXPECT_EQ(drains(world.tick()), 2U);
}

TEST(ScaleDownDelay, StartsAnewWhenAllWereNeededForAMoment) {
  World world = shrinking(30s);
  world.snapshot.queue.running = 1;
  EXPECT_EQ(drains(world.run(30s)), 0U);
  world.snapshot.queue.running = 3;
  world.run(5s);
  world.snapshot.queue.running = 1;
  EXPECT_EQ(drains(world.run(30s)), 0U);
  EXPECT_EQ(drains(world.run(5s)), 2U);
}

TEST(ScaleDownDelay, LetsOnlySoManyGoAsWereNeverNeededMeanwhile) {
  World world = shrinking(30s);
  world.snapshot.queue.running = 1;
  world.run(20s);
  world.snapshot.queue.running = 2;  // a wave: two of the three are needed now and then
  world.run(5s);
  world.snapshot.queue.running = 1;
  EXPECT_EQ(drains(world.run(10s)), 1U);
}

TEST(ScaleDownDelay, StartsAnewAfterAnOutageInWhichNobodyKnewWhatWasNeeded) {
  World world = shrinking(30s);
  world.snapshot.queue.running = 1;
  world.run(25s);
  world.database_readable = false;
  world.run(5s);
  world.database_readable = true;
  EXPECT_EQ(drains(world.run(30s)), 0U);
  EXPECT_EQ(drains(world.run(5s)), 2U);
}

TEST(ScaleDownDelay, HoldsInAFreshProcessToo) {
  World world;
  world.settings.scale_down_delay = 30s;
  world.idle(1h);
  Plan plan = world.tick();
  EXPECT_EQ(drains(plan), 0U) << words(plan);
  ASSERT_NE(gate(plan, "scale_down_delay"), nullptr);
  EXPECT_EQ(gate(plan, "scale_down_delay")->opens_in, Duration(30s));
  EXPECT_EQ(drains(world.run(30s)), 1U);
}

TEST(ScaleDownDelay, HoldsForSpawningWorkersAndNeverLetsAnIdleOneGoInTheirPlace) {
  World world;
  world.settings.scale_down_delay = 30s;
  world.settings.spawning_grace = 10s;
  world.settings.keep_idle = 1;
  world.idle(1h);
  world.spawning(Phase::starting, 500s);
  Plan plan = world.tick();
  EXPECT_EQ(drains(plan), 0U) << words(plan);
  EXPECT_EQ(gate(plan, "scale_down_delay")->reason, "1 workers could go when fewer have been enough for 30s");
  plan = world.run(30s);
  ASSERT_EQ(drains(plan), 1U) << words(plan);
  EXPECT_EQ(actions<DrainWorker>(plan).front().worker, world.name(2));
}

TEST(ScaleDownDelay, IsNoExcuseForAWorkerThatDoesNotClaim) {
  World world;
  world.settings.scale_down_delay = 1h;
  world.idle(1h);
  world.snapshot.queue.queued = 1;
  EXPECT_EQ(drains(world.run(600s)), 0U);
  EXPECT_EQ(drains(world.run(5s)), 1U);
}

TEST(ScaleDownDelay, SaysNothingWhileNobodyCouldGo) {
  World world;
  world.settings.scale_down_delay = 30s;
  world.busy();
  world.busy();
  world.snapshot.queue.running = 0;
  EXPECT_EQ(gate(world.tick(), "scale_down_delay"), nullptr);
}

TEST(Sizes, ThatWereSeenStayFewHoweverLongTheDelay) {
  World world;
  world.settings.scale_down_delay = 1h;
  world.settings.scale_up_delay = 1h;
  world.settings.max_active = 20;
  for (int i = 0; i < 2000; ++i) {
    world.snapshot.queue.queued = (i * 7) % 20;
    world.run(5s);
  }
  EXPECT_LE(world.memory.least_up.size(), 20U);
  EXPECT_LE(world.memory.most_up.size(), 20U);
  EXPECT_LE(world.memory.most_down.size(), 20U);
}

}  // namespace
}  // namespace gpuwarden::policy
