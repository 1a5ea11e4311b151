#include "control/rehearsal.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::control {
namespace {

using namespace fakes;

struct Rehearsal : testing::Test {
  World world;
  Worker& one = world.idle();
  WorkerId id = one.id;
  policy::Observation seen;

  const Worker* after(Action action) {
    seen = {};
    seen.snapshot = world.snapshot;
    seen.pods = world.pods;
    Plan plan;
    plan.actions.push_back({std::move(action), "because"});
    assume_done(seen, plan);
    for (const Worker& worker : seen.snapshot->workers) {
      if (worker.id == id) return &worker;
    }
    return nullptr;
  }
};

TEST_F(Rehearsal, WorkersHaveTheStatusThatTheActionGives) {
  EXPECT_EQ(after(DrainWorker{id})->status, WorkerStatus::terminating);
  EXPECT_EQ(after(DrainWorker{id})->phase_age, 0s);
  EXPECT_EQ(after(FailWorker{id, one.pod, FailureCause::task_stuck, ""})->status, WorkerStatus::error);
  EXPECT_EQ(after(DeletePod{id, one.pod})->phase, Phase::deleting);
  EXPECT_EQ(after(DeletePod{id, one.pod})->status, WorkerStatus::active);
  EXPECT_EQ(after(NotePhase{id, Phase::starting})->phase, Phase::starting);
  EXPECT_EQ(after(ActivateWorker{id})->status, WorkerStatus::active);
  EXPECT_TRUE(after(ActivateWorker{id})->proven);
  EXPECT_EQ(after(AdoptPod{id, PodId("p")})->pod.str(), "p");
  EXPECT_EQ(after(ConfirmGone{id}), nullptr);
  EXPECT_EQ(after(AbandonIntent{id}), nullptr);
  EXPECT_NE(after(ConfirmGone{WorkerId("somebody")}), nullptr);
  EXPECT_NE(after(FailWorker{WorkerId("somebody"), {}, FailureCause::task_stuck, ""}), nullptr);
}

TEST_F(Rehearsal, WhatIsBegunIsUnderWay) {
  after(SpawnWorker{WorkerId("new"), {}, false, 1});
  EXPECT_TRUE(seen.in_flight.contains(WorkerId("new")));
  after(ProbeWorker{id, one.pod});
  EXPECT_TRUE(seen.in_flight.contains(id));
  after(BringUpWorker{id, one.pod});
  EXPECT_TRUE(seen.bringing_up.contains(id));
  EXPECT_FALSE(seen.in_flight.contains(id));
}

TEST_F(Rehearsal, TheFleetIsAsTheActionLeavesIt) {
  BreakerMemory memory;
  memory.state = BreakerState::open;
  after(SaveBreaker{memory});
  EXPECT_EQ(seen.snapshot->breaker.state, BreakerState::open);
  world.snapshot.rescuable = 3;
  after(RescueTasks{});
  EXPECT_EQ(seen.snapshot->rescuable, 0);
  after(DeleteOrphan{world.pods.front().id, "x"});
  EXPECT_EQ(seen.pods->size(), world.pods.size() - 1);
}

TEST(RehearsalOfNothing, ABlindTickStaysBlind) {
  policy::Observation blind;
  Plan plan;
  plan.actions.push_back({ConfirmGone{WorkerId("x")}, ""});
  assume_done(blind, plan);
  EXPECT_FALSE(blind.snapshot);
}

}  // namespace
}  // namespace gpuwarden::control
