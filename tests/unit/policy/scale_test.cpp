#include <set>

#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/scale_decision.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

Settings roomy() {
  Settings settings;
  settings.max_active = 1000;
  return settings;
}

TEST(Scaling, WantsOneMoreWorkerJustAboveTheThreshold) {
  Settings settings = roomy();
  settings.tasks_per_gpu = 3;
  EXPECT_EQ(wanted_size(0, settings).up, 0);
  EXPECT_EQ(wanted_size(1, settings).up, 1);
  EXPECT_EQ(wanted_size(3, settings).up, 1);
  EXPECT_EQ(wanted_size(4, settings).up, 2);
  EXPECT_EQ(wanted_size(6, settings).up, 2);
  EXPECT_EQ(wanted_size(7, settings).up, 3);
}

TEST(Scaling, ToleratesMoreWorkPerWorkerWithAScaleUpMultiplier) {
  Settings settings = roomy();
  settings.scale_up_multiplier = 1.5;
  EXPECT_EQ(wanted_size(3, settings).up, 2);  // 3 = 2 x 1.5: not more
  EXPECT_EQ(wanted_size(4, settings).up, 3);
}

TEST(Scaling, LeavesABandBetweenGrowingAndShrinking) {
  Settings settings = roomy();
  settings.scale_down_multiplier = 0.9;
  EXPECT_EQ(wanted_size(18, settings).up, 18);
  EXPECT_EQ(wanted_size(18, settings).down, 20);  // 18 = 20 x 0.9: not less
  EXPECT_EQ(wanted_size(17, settings).down, 18);
  EXPECT_EQ(wanted_size(1, settings).down, 1);
  EXPECT_EQ(wanted_size(0, settings).down, 0);
}

TEST(Scaling, NeverShrinksBelowWhatItWouldGrowTo) {
  Settings settings = roomy();
  settings.scale_up_multiplier = 1.0;
  settings.scale_down_multiplier = 2.0;
  for (long work = 0; work < 100; ++work) {
    const WantedSize wanted = wanted_size(work, settings);
    EXPECT_GE(wanted.down, wanted.up) << work;
  }
}

TEST(Scaling, AddsTheIdleBufferWithinFloorAndCeiling) {
  Settings settings;
  settings.keep_idle = 2;
  settings.min_active = 1;
  settings.max_active = 5;
  EXPECT_EQ(wanted_size(0, settings).up, 2);
  EXPECT_EQ(wanted_size(3, settings).up, 5);
  EXPECT_EQ(wanted_size(50, settings).up, 5);
  settings.keep_idle = 0;
  EXPECT_EQ(wanted_size(0, settings).up, 1);
}

TEST(Scaling, SurvivesSettingsThatMakeNoSense) {
  Settings settings = roomy();
  settings.tasks_per_gpu = 0;
  settings.scale_down_multiplier = 0;
  settings.max_active = -1;
  EXPECT_EQ(wanted_size(1'000'000'000, settings).up, 0);
}

TEST(Growing, SpawnsWhatIsMissingAndSaysWhy) {
  World world;
  world.idle();
  world.idle();
  world.snapshot.queue.queued = 4;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 2U) << words(plan);
  EXPECT_EQ(reason_of<SpawnWorker>(plan), "4 queued and 0 running tasks want 4 workers, 2 are there");
  EXPECT_EQ(plan.scale.wanted, 4);
  EXPECT_EQ(plan.scale.active, 2);
  EXPECT_EQ(plan.scale.idle, 2);
}

TEST(Growing, CountsSpawningAndUnknownWorkersAsCapacity) {
  World world;
  world.spawning();
  world.row(WorkerStatus::spawning, Phase::unknown);
  world.row(WorkerStatus::spawning, Phase::intent);
  world.snapshot.queue.queued = 3;
  EXPECT_TRUE(actions<SpawnWorker>(world.tick()).empty());
}

TEST(Growing, CountsASpawnUnderWayWhoseRowIsNotReadYet) {
  World world;
  world.in_flight = {world.name(50)};
  world.snapshot.queue.queued = 1;
  EXPECT_TRUE(actions<SpawnWorker>(world.tick()).empty());
}

TEST(Growing, NamesEveryNewWorkerDifferentlyAndAsOurs) {
  World world;
  world.settings.max_active = 40;
  world.settings.max_spawns_per_minute = 40;
  for (int i = 0; i < 20; ++i) world.idle();  // successes of this script: no slow start
  world.snapshot.queue.queued = 40;
  std::set<WorkerId> names;
  for (const SpawnWorker& spawn : actions<SpawnWorker>(world.tick())) {
    EXPECT_TRUE(is_worker_name_of(spawn.worker.str(), world.settings.owner));
    EXPECT_EQ(spawn.generation, world.snapshot.breaker.generation);
    names.insert(spawn.worker);
  }
  EXPECT_EQ(names.size(), 7U);  // as many as may be at stake at once
}

TEST(Ceiling, CountsEveryPodThatExistsOrMayExist) {
  World world;
  world.settings.max_active = 6;
  world.idle();
  world.row(WorkerStatus::spawning, Phase::unknown);
  world.row(WorkerStatus::terminating, Phase::draining);
  world.row(WorkerStatus::error, Phase::deleting);
  world.stray("late", world.name(77).str());
  world.snapshot.queue.queued = 10;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 1U) << words(plan);
  ASSERT_NE(gate(plan, "ceiling"), nullptr) << words(plan);
}

TEST(Ceiling, IgnoresForeignPods) {
  World world;
  world.settings.max_active = 1;
  world.stray("theirs", "somebody-elses-pod");
  world.stray("other", "gpu-other-20261124000000-00000001");
  world.snapshot.queue.queued = 1;
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 1U);
}

TEST(SpawnRate, LetsNoMoreThanSoManyThroughInAMinute) {
  World world;
  world.settings.max_active = 100;
  world.settings.max_spawns_per_minute = 3;
  for (int i = 0; i < 10; ++i) world.idle();
  world.snapshot.queue.queued = 60;
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 3U);
  world.pass(59'999ms);
  world.beat_all();
  const Plan held = world.tick();
  EXPECT_TRUE(actions<SpawnWorker>(held).empty());
  ASSERT_NE(gate(held, "spawn_rate"), nullptr);
  EXPECT_EQ(gate(held, "spawn_rate")->opens_in, Duration(1));
  world.pass(1ms);
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 3U);
}

TEST(SpawnRate, IsRememberedByTheRowsAfterARestart) {
  World world;
  world.settings.max_spawns_per_minute = 2;
  world.idle();
  world.idle();
  world.spawning(Phase::provisioning, 10s);
  world.spawning(Phase::provisioning, 59s);
  world.snapshot.queue.queued = 6;
  EXPECT_TRUE(actions<SpawnWorker>(world.tick()).empty());
}

TEST(SlowStart, TriesTwoPodsUntilOneHasSucceeded) {
  World world;
  world.snapshot.queue.queued = 10;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 2U);
  ASSERT_NE(gate(plan, "slow_start"), nullptr);
  world.spawning();
  world.spawning();
  EXPECT_TRUE(actions<SpawnWorker>(world.tick()).empty());
}

TEST(Paused, SpawnsAndDrainsNothingButSaysWho) {
  World world;
  world.idle(1h);
  world.settle();
  world.snapshot.switches = {true, "anna", "maintenance"};
  Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "paused"), nullptr);
  EXPECT_EQ(gate(plan, "paused")->reason, "paused by anna: maintenance");
  world.snapshot.queue.queued = 5;
  plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
}

TEST(Shrinking, DrainsSurplusIdleWorkersAtTheShortTimeOut) {
  World world;
  world.settings.overcapacity_idle_timeout = 30s;
  Worker& worker = world.idle(29'999ms);
  EXPECT_TRUE(actions<DrainWorker>(world.tick()).empty());
  worker.idle_for = 30s;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DrainWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DrainWorker>(plan).front().worker, worker.id);
}

TEST(Shrinking, DrainsAWorkerInsideTheBandOnlyAtTheNormalTimeOut) {
  World world;
  world.settings.scale_down_multiplier = 0.5;
  world.busy();
  Worker& worker = world.idle(599'999ms);  // work 1: grows below 1, shrinks above 2
  EXPECT_TRUE(actions<DrainWorker>(world.tick()).empty());
  worker.idle_for = 600s;
  EXPECT_EQ(actions<DrainWorker>(world.tick()).size(), 1U);
}

TEST(Shrinking, TakesTheLongestIdleFirstAndOnlyTheSurplus) {
  World world;
  world.settings.keep_idle = 1;
  world.idle(40s);
  Worker& longest = world.idle(90s);
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DrainWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DrainWorker>(plan).front().worker, longest.id);
}

TEST(Shrinking, NeverBreaksTheFloorOfActiveWorkers) {
  World world;
  world.settings.min_active = 2;
  world.idle(1h);
  world.idle(1h);
  world.spawning();
  EXPECT_TRUE(actions<DrainWorker>(world.tick()).empty());
  world.idle(1h);
  EXPECT_EQ(actions<DrainWorker>(world.tick()).size(), 1U);
}

TEST(Shrinking, NeverTouchesABusyWorker) {
  World world;
  Worker& worker = world.busy();
  worker.idle_for = 1h;  // contradictory: it has a task
  world.snapshot.queue = {};
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Shrinking, LeavesAWorkerAloneWhoseIdleTimeIsNotKnown) {
  World world;
  world.idle().idle_for.reset();
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Shrinking, PausesBetweenScaleDowns) {
  World world;
  world.settings.scale_down_grace = 60s;
  world.idle(40s);
  EXPECT_EQ(actions<DrainWorker>(world.tick()).size(), 1U);
  world.pass(59'999ms);
  world.beat_all();
  const Plan held = world.tick();
  EXPECT_TRUE(actions<DrainWorker>(held).empty());
  ASSERT_NE(gate(held, "scale_down_grace"), nullptr);
  EXPECT_EQ(gate(held, "scale_down_grace")->opens_in, Duration(1));
  world.pass(1ms);
  EXPECT_EQ(actions<DrainWorker>(world.tick()).size(), 1U);
}

TEST(Shrinking, CancelsSpawningWorkersYoungestFirstAfterTheirGrace) {
  World world;
  world.settings.spawning_grace = 180s;
  world.settings.min_active = 1;
  world.spawning(Phase::starting, 500s);
  Worker& younger = world.spawning(Phase::starting, 180s);
  world.spawning(Phase::starting, 179'999ms);
  const Plan plan = world.tick();
  const auto cancelled = actions<DrainWorker>(plan);
  ASSERT_EQ(cancelled.size(), 2U) << words(plan);
  EXPECT_EQ(cancelled.front().worker, younger.id);
}

TEST(Shrinking, DeletesACancelledWorkerInTheNextTickUnlessItHasClaimedATask) {
  World world;
  Worker& worker = world.spawning(Phase::awaiting_heartbeat, 180s, PodStatus::running);
  ASSERT_EQ(actions<DrainWorker>(world.tick()).size(), 1U);
  worker.status = WorkerStatus::terminating;
  worker.phase = Phase::draining;
  worker.phase_age = 0s;
  worker.tasks = {TaskId("claimed between the snapshot and the cancel")};
  worker.heartbeat_age = 1s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.tasks.clear();
  EXPECT_EQ(actions<DeletePod>(world.tick()).size(), 1U);
}

TEST(Shrinking, KeepsTheIdleWorkerWhenCancellingASpawnIsEnough) {
  World world;
  world.settings.keep_idle = 1;
  world.idle(1h);
  const WorkerId coming = world.spawning(Phase::starting, 500s).id;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DrainWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DrainWorker>(plan).front().worker, coming);
}

TEST(Shrinking, NeverCancelsTheCanary) {
  World world;
  world.spawning(Phase::starting, 500s).canary = true;
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Shrinking, ReplacesAWorkerThatStaysIdleWhileTasksWait) {
  World world;
  world.idle(1h);
  world.snapshot.queue.queued = 1;
  EXPECT_TRUE(actions<DrainWorker>(world.tick()).empty());
  world.run(595s);
  EXPECT_TRUE(actions<DrainWorker>(world.run(0s)).empty());
  const Plan plan = world.run(5s);
  ASSERT_EQ(actions<DrainWorker>(plan).size(), 1U) << words(plan);
  EXPECT_NE(reason_of<DrainWorker>(plan).find("does not claim"), std::string::npos);
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 1U) << words(plan);
}

TEST(Shrinking, KeepsAWorkerThatDoesNotClaimUntilItsReplacementIsActive) {
  World world;
  world.settings.min_active = 1;
  const WorkerId idler = world.idle(1h).id;
  world.snapshot.queue.queued = 1;
  const Plan before = world.run(595s);
  EXPECT_TRUE(actions<SpawnWorker>(before).empty());
  Plan plan = world.run(10s);
  EXPECT_TRUE(actions<DrainWorker>(plan).empty()) << words(plan);
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 1U) << words(plan);
  EXPECT_NE(gate(plan, "floor"), nullptr);
  Worker& replacement = world.spawning(Phase::awaiting_heartbeat, 0s, PodStatus::running);
  plan = world.run(300s);  // longer than the grace of surplus spawning workers
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  replacement.status = WorkerStatus::active;
  replacement.phase = Phase::idle;
  replacement.heartbeat_age = replacement.idle_for = 1s;
  plan = world.run(5s);
  ASSERT_EQ(actions<DrainWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DrainWorker>(plan).front().worker, idler);
}

TEST(Shrinking, DoesNotBlameAWorkerForTasksThatNobodyCouldClaimInAnOutage) {
  World world;
  world.settings.min_active = 1;
  world.idle(1s);
  world.settle();
  world.snapshot.queue.queued = 1;
  world.tick();
  world.database_readable = false;
  world.run(20min);
  world.database_readable = true;
  for (int i = 0; i < 100; ++i) {
    const Plan plan = world.run(5s);
    EXPECT_TRUE(actions<DrainWorker>(plan).empty()) << words(plan);
  }
}

TEST(Draining, TheWholeFleetDrainsAndNothingIsSpawned) {
  World world;
  world.draining_all = true;
  world.settings.min_active = 2;
  Worker& idle = world.idle();
  Worker& busy = world.busy();
  Worker& coming = world.spawning();
  world.snapshot.queue.queued = 10;
  const Plan plan = world.tick();
  const auto drained = actions<DrainWorker>(plan);
  ASSERT_EQ(drained.size(), 3U) << words(plan);
  EXPECT_EQ(drained[0].worker, idle.id);
  EXPECT_EQ(drained[1].worker, busy.id);
  EXPECT_EQ(drained[2].worker, coming.id);
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty());
  EXPECT_NE(gate(plan, "draining"), nullptr);
}

}  // namespace
}  // namespace gpuwarden::policy
