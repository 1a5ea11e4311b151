#include "control/spawn.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Spawn : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  SpawnWorker action;

  Spawn() {
    action.worker = make_worker_id("default", fakes::FakeClock::kWallStart, 7);
    action.placement.gpu = "NVIDIA GeForce RTX 4090";
    context.epoch = world.store.state.leader.epoch;
  }
  Result<std::string> spawn() { return world.finish(spawn_worker(context, action, "needed")); }
  const ports::WorkerChange& last_change() const { return world.store.changes.back(); }
};

TEST_F(Spawn, CommitsTheIntentBeforeItAsksForAPod) {
  ASSERT_TRUE(spawn());
  ASSERT_EQ(world.store.calls.front(), "register_worker " + action.worker.str());
  EXPECT_THAT(world.provider.calls, ElementsAre("create " + action.worker.str()));
  EXPECT_EQ(last_change().pod, PodId("pod-1"));
  EXPECT_EQ(last_change().phase, Phase::provisioning);
}

TEST_F(Spawn, AsksForNothingWhenTheIntentWasNotCommitted) {
  world.store.on_register_worker = [](const auto&, const auto&) -> Result<ports::CasOutcome> {
    return fail(ErrorKind::timeout, "no answer");
  };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(world.provider.calls.empty());
}

TEST_F(Spawn, AsksForNothingWhenAnotherDaemonLeads) {
  world.store.on_register_worker = [](const auto&, const auto&) -> Result<ports::CasOutcome> {
    return ports::CasOutcome::lost;
  };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(world.provider.calls.empty());
}

TEST_F(Spawn, Case10AnAmbiguousCreateIsKeptAsUnknownAndNotRepeated) {
  world.provider.on_create = [](const PodSpec&) { return CreateAmbiguous{500, "Something went wrong."}; };
  EXPECT_EQ(spawn().error().kind, ErrorKind::ambiguous);
  EXPECT_EQ(world.provider.count("create"), 1);
  EXPECT_EQ(last_change().phase, Phase::unknown);
  EXPECT_FALSE(last_change().status.has_value());
}

TEST_F(Spawn, Case08NoCapacityEndsTheRowWithACauseThatDoesNotCountAndSetsTheCandidateAside) {
  world.provider.on_create = [](const PodSpec&) {
    return CreateNoCapacity{"There are no instances currently available"};
  };
  EXPECT_FALSE(spawn());
  ASSERT_EQ(world.store.failed.size(), 1u);
  EXPECT_EQ(world.store.failed[0].verdict.cause, FailureCause::no_capacity);
  EXPECT_FALSE(world.store.failed[0].verdict.counts_for_breaker);
  EXPECT_THAT(world.store.failed[0].verdict.evidence_line, HasSubstr("no instances currently available"));
  EXPECT_EQ(last_change().status, WorkerStatus::terminated);
  EXPECT_TRUE(context.memory.exhausted.contains(action.placement.key()));
}

TEST_F(Spawn, ACreateThatWasNotSentEndsTheRowWithoutAFailure) {
  world.provider.on_create = [](const PodSpec&) { return CreateNotSent{"connection refused"}; };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(world.store.failed.empty());
  EXPECT_EQ(last_change().status, WorkerStatus::terminated);
}

TEST_F(Spawn, Case16NothingSecretIsInThePodsEnvironment) {
  ASSERT_TRUE(spawn());
  const PodSpec& spec = world.provider.created.at(0);
  EXPECT_EQ(spec.env.size(), 4u);
  for (const auto& [name, value] : spec.env) EXPECT_THAT(value, testing::Not(HasSubstr("sb_"))) << name;
}

}  // namespace
}  // namespace gpuwarden::control
