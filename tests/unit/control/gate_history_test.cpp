#include "gpuwarden/control/gate_history.hpp"

#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

/// Ticks of a daemon whose gates a test names.
struct Ticks {
  GateHistory history;
  Duration passed{0};

  void tick(const std::vector<std::string>& gates, bool sees = true) {
    TickReport report;
    report.now = MonoTime{} + passed;
    report.at = fakes::FakeClock::kWallStart + passed;
    if (sees) report.snapshot = Snapshot{};
    if (sees) report.pods = std::vector<Pod>{};
    for (const std::string& gate : gates)
      report.plan.gates.push_back(
          {gate, gate + " at " + std::to_string(passed.count() / 1000), std::nullopt});
    history.note(report);
    passed += 5s;
  }
};

TEST(GateHistory, AnIntervalBeginsAndEndsWithTheTicksThatShowIt) {
  Ticks ticks;
  ticks.tick({});
  EXPECT_TRUE(ticks.history.intervals().empty());
  ticks.tick({"spawn_rate"});
  ticks.tick({"spawn_rate", "ceiling"});
  ticks.tick({"ceiling"});
  const auto all = ticks.history.intervals();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].gate, "spawn_rate");
  EXPECT_EQ(all[0].from, fakes::FakeClock::kWallStart + 5s);
  EXPECT_EQ(all[0].until, fakes::FakeClock::kWallStart + 15s);
  EXPECT_EQ(all[0].lasted, 10s);
  EXPECT_EQ(all[0].reason, "spawn_rate at 10") << "the newest reason";
  EXPECT_FALSE(all[1].until);
  EXPECT_EQ(all[1].lasted, 5s);
}

TEST(GateHistory, ABlindTickEndsNothing) {
  Ticks ticks;
  ticks.tick({"breaker"});
  ticks.tick({"database"}, false);
  ticks.tick({"breaker"});
  const auto all = ticks.history.intervals();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].gate, "breaker");
  EXPECT_FALSE(all[0].until);
  EXPECT_EQ(all[0].lasted, 10s);
  EXPECT_EQ(all[1].gate, "database");
  EXPECT_TRUE(all[1].until);
}

TEST(GateHistory, ForgetsWhatEndedMoreThanAnHourAgo) {
  Ticks ticks;
  ticks.tick({"ceiling"});
  ticks.tick({});  // ends at 5 s
  ticks.passed = 1h + 5s;
  ticks.tick({});
  EXPECT_EQ(ticks.history.intervals().size(), 1U) << "an hour ago to the second";
  ticks.tick({});
  EXPECT_TRUE(ticks.history.intervals().empty());
}

TEST(GateHistory, AGateThatHoldsForHoursIsKept) {
  Ticks ticks;
  ticks.tick({"paused"});
  ticks.passed = 3h;
  ticks.tick({"paused"});
  ASSERT_EQ(ticks.history.intervals().size(), 1U);
  EXPECT_EQ(ticks.history.intervals().front().lasted, 3h);
}

TEST(GateHistory, IsBounded) {
  Ticks ticks;
  for (int i = 0; i < 1000; ++i)
    ticks.tick(i % 2 == 0 ? std::vector<std::string>{"slow_start"} : std::vector<std::string>{});
  EXPECT_LE(ticks.history.intervals().size(), GateHistory::kMost);
}

TEST(LoopExplains, WhatTheNextTickWouldDoAndWhatAWorkerWaitsFor) {
  LoopWorld world;
  ControlLoop loop(world.environment(), LoopWorld::settings());
  EXPECT_TRUE(loop.rehearse().actions.empty()) << "before the first tick";
  world.store.state.queue.queued = 5;
  world.start(loop.run());
  world.advance(1s);
  EXPECT_EQ(world.store.registrations.size(), 2U);
  for (const PlannedAction& planned : loop.rehearse().actions)
    EXPECT_FALSE(std::holds_alternative<SpawnWorker>(planned.action)) << "the two have been asked for";
  const View view = loop.view();
  ASSERT_NE(view.last, nullptr);
  EXPECT_TRUE(view.last->acted);
  EXPECT_EQ(view.next_tick_in, 4s);
  EXPECT_FALSE(view.last->plan.scale.steps.empty());
  ASSERT_FALSE(view.gates->intervals().empty());
  EXPECT_EQ(view.gates->intervals().front().gate, "slow_start");
  ASSERT_FALSE(world.store.state.workers.empty());
  const WorkerId worker = world.store.state.workers.front().id;
  EXPECT_FALSE(loop.explain(worker)) << "the newest snapshot is older than the worker";
  world.advance(5s);
  EXPECT_TRUE(loop.explain(worker));
  EXPECT_FALSE(loop.explain(WorkerId("gpu-nobody")));

  const auto spawned = world.store.registrations.size();
  const Plan next = loop.rehearse();
  world.advance(10ms);
  EXPECT_EQ(world.store.registrations.size(), spawned) << "a rehearsal performs nothing";
  EXPECT_EQ(next.scale.wanted, 5);
  for (const ActionResult& result : *view.recent)
    EXPECT_GE(result.at, fakes::FakeClock::kWallStart) << result.action;
  loop.stop();
  world.advance(15s);
  EXPECT_FALSE(loop.view().next_tick_in);
}

TEST(LoopExplains, ADryCycleActsOnNothing) {
  LoopWorld world;
  ControlLoop loop(world.environment(), LoopWorld::settings());
  EXPECT_FALSE(world.finish(loop.once(true)).report.acted);
}

}  // namespace
}  // namespace gpuwarden::control
