// What happens when a cost limit is passed by the fleet as it is.
#include "policy/cost_limit.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

std::vector<WorkerId> drained(const Plan& plan) {
  std::vector<WorkerId> ids;
  for (const DrainWorker& drain : actions<DrainWorker>(plan)) ids.push_back(drain.worker);
  return ids;
}

/// As the next snapshot would show it: on its way out, at its task if it has one.
void obey(World& world, const Plan& plan) {
  for (const PlannedAction& planned : plan.actions) {
    const auto* drain = std::get_if<DrainWorker>(&planned.action);
    if (drain == nullptr) continue;
    for (Worker& worker : world.snapshot.workers) {
      if (worker.id != drain->worker) continue;
      worker.status = WorkerStatus::terminating;
      worker.phase = Phase::draining;
      worker.phase_age = 0s;
      worker.drain_reason = planned.reason;
      worker.idle_for.reset();
    }
  }
}

TEST(HardCostLimit, IsKeptWhenItIsMetExactlyAndPassedJustAboveIt) {
  World world;
  world.settings.min_active = 2;
  world.idle();
  world.idle();  // two pods of $0.44
  world.settings.max_hourly_cost_usd = 0.88;
  Plan plan = world.tick();
  EXPECT_TRUE(drained(plan).empty()) << words(plan);
  EXPECT_EQ(gate(plan, "over_budget"), nullptr);
  world.settings.max_hourly_cost_usd = 0.87;
  plan = world.tick();
  ASSERT_NE(gate(plan, "over_budget"), nullptr) << words(plan);
  EXPECT_EQ(
      gate(plan, "over_budget")->reason,
      "the pods cost $0.88 an hour, $0.87 is the limit: workers are let go, idle ones first, until it is "
      "kept again");
}

TEST(HardCostLimit, BeatsFloorBufferAndTimeOutsOfIdleWorkers) {
  World world;
  world.settings.min_active = 2;
  world.settings.keep_idle = 2;
  world.settings.scale_down_delay = 1h;
  world.idle(1s);
  world.idle(2s);
  world.settings.max_hourly_cost_usd = 0.5;
  const Plan plan = world.tick();
  EXPECT_EQ(drained(plan), std::vector<WorkerId>{world.name(2)}) << words(plan);
  EXPECT_EQ(reason_of<DrainWorker>(plan),
            "over the cost limit: the pods cost $0.88 an hour, $0.50 is the limit");
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty());
}

TEST(HardCostLimit, LetsOneGoATickUntilItIsKeptAndNoneMore) {
  World world;
  world.settings.min_active = 5;
  for (int i = 0; i < 5; ++i) world.idle();
  world.settings.max_hourly_cost_usd = 1.4;  // three fit
  for (int tick = 0; tick < 6; ++tick) {
    const Plan plan = world.tick();
    EXPECT_EQ(drained(plan).size(), tick < 2 ? 1U : 0U) << words(plan);
    EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
    obey(world, plan);
    world.pass(5s);
    world.beat_all();
  }
}

TEST(HardCostLimit, CancelsTheYoungestSpawningWorkerWhenNobodyIsIdle) {
  World world;
  world.busy();
  world.spawning(Phase::starting, 500s);
  const WorkerId youngest = world.spawning(Phase::starting, 1s).id;  // inside its grace
  world.settings.max_hourly_cost_usd = 1.0;
  EXPECT_EQ(drained(world.tick()), std::vector<WorkerId>{youngest});
}

TEST(HardCostLimit, TakesTheDearestBusyWorkerLastAndLetsItFinish) {
  World world;
  world.busy();
  Worker& dear = world.busy();
  world.pods.back().cost_per_hr = 2.0;
  world.settings.max_hourly_cost_usd = 1.0;
  world.settle();
  Plan plan = world.tick();
  ASSERT_EQ(drained(plan), std::vector<WorkerId>{dear.id}) << words(plan);
  obey(world, plan);
  world.settings.task_stuck_timeout = 3000s;
  world.pass(2900s);  // longer than any other drain would wait
  world.beat_all();
  plan = world.tick();
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  EXPECT_TRUE(actions<DeletePod>(plan).empty()) << words(plan);
}

TEST(HardCostLimit, WaitsForATaskOfADrainingWorkerAsLongAsAnyTaskMayRun) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::draining, 0s);
  world.pod_of(worker);
  worker.tasks = {TaskId("t")};
  worker.heartbeat_age = 1s;
  worker.drain_reason = "over the cost limit: x";
  world.settle();
  world.snapshot.workers.front().phase_age = 1200s;
  EXPECT_TRUE(actions<FailWorker>(world.tick()).empty());
  world.snapshot.workers.front().phase_age = 1200s + 1ms;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
  world.snapshot.workers.front().drain_reason = "idle";
  world.snapshot.workers.front().phase_age = 600s + 1ms;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(HardCostLimit, OfTheDayEmptiesTheFleetOnceItsMoneyIsSpent) {
  World world;
  world.settings.min_active = 1;
  world.settings.max_daily_cost_usd = 20;
  world.idle();
  world.snapshot.spent_last_day_usd = 20;
  EXPECT_TRUE(drained(world.tick()).empty());
  world.snapshot.spent_last_day_usd = 20.01;
  Plan plan = world.tick();
  EXPECT_EQ(drained(plan).size(), 1U) << words(plan);
  ASSERT_NE(gate(plan, "over_budget"), nullptr);
  EXPECT_EQ(gate(plan, "over_budget")->reason.substr(0, 54),
            "$20.01 were spent in 24 hours, $20.00 is the limit: wo");
  obey(world, plan);
  plan = world.tick();
  EXPECT_EQ(gate(plan, "over_budget"), nullptr) << "nobody is left to go: " << words(plan);
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
  EXPECT_NE(gate(plan, "budget"), nullptr) << words(plan);
}

TEST(HardCostLimit, IsTheOnlyScaleDownOfItsTick) {
  World world;
  for (int i = 0; i < 3; ++i) world.idle(1h);
  world.settings.max_hourly_cost_usd = 0.5;
  EXPECT_EQ(drained(world.tick()).size(), 1U);
  world.settings.max_hourly_cost_usd.reset();
  world.memory.last_scale_down.reset();
  EXPECT_EQ(drained(world.tick()).size(), 3U);
}

TEST(HardCostLimit, JudgesListedPodsOnlyAndTouchesNothingBlindly) {
  World world;
  world.settings.max_hourly_cost_usd = 0.5;
  world.settings.min_active = 2;
  world.idle();
  world.row(WorkerStatus::spawning, Phase::unknown);  // reserved money, but no pod that is known to cost
  world.row(WorkerStatus::spawning, Phase::intent);
  EXPECT_TRUE(drained(world.tick()).empty());
  world.idle();
  world.list_complete = false;
  EXPECT_TRUE(drained(world.tick()).empty());
  world.list_complete = true;
  EXPECT_EQ(drained(world.tick()).size(), 1U);
}

TEST(HardCostLimit, IsHeldByAPauseButTold) {
  World world;
  world.idle();
  world.idle();
  world.settings.max_hourly_cost_usd = 0.5;
  world.snapshot.switches = {true, "anna", "look"};
  const Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "over_budget"), nullptr);
  EXPECT_TRUE(gate(plan, "over_budget")->reason.ends_with("nobody is let go meanwhile"));
}

TEST(HardCostLimit, IsNotPassedAgainByASpawnAtAPriceOfTheCatalogueThatIsTooLow) {
  World world;
  world.offers.front().placement.price_per_hr = 0.1;
  world.idle();  // is charged $0.44
  world.snapshot.queue.queued = 2;
  world.settings.max_hourly_cost_usd = 0.6;
  const Plan plan = world.tick();
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
  EXPECT_NE(gate(plan, "budget"), nullptr);
  world.settings.max_hourly_cost_usd = 0.88;
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::policy
