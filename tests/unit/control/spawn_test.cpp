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

TEST_F(Spawn, RemembersThatARowWhoseRegistrationWasNotAnsweredHasNoPod) {
  world.store.on_register_worker = [](const auto&, const auto&) -> Result<ports::CasOutcome> {
    return fail(ErrorKind::timeout, "no answer");
  };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(context.memory.without_pod.contains(action.worker));
}

TEST_F(Spawn, RemembersThatARowWhoseEndCouldNotBeWrittenDownHasNoPod) {
  world.provider.on_create = [](const PodSpec&) { return CreateNotSent{"connection refused"}; };
  world.store.on_update_worker = [](const auto&, const auto&) -> Result<ports::CasOutcome> {
    return fail(ErrorKind::timeout, "no answer");
  };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(context.memory.without_pod.contains(action.worker));
}

TEST_F(Spawn, DoesNotForgetAPodThatMayExist) {
  world.provider.on_create = [](const PodSpec&) { return CreateAmbiguous{500, "Something went wrong."}; };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(context.memory.without_pod.empty());
}

struct StandStill {
  Duration duration;
  bool asks;
};
class SpawnAfterStandStill : public Spawn, public testing::WithParamInterface<StandStill> {};

TEST_P(SpawnAfterStandStill, AsksForAPodOnlyWhileTheIntentIsFresh) {
  world.store.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "register_worker") world.clock.jump(GetParam().duration);
    co_return;
  };
  EXPECT_EQ(static_cast<bool>(spawn()), GetParam().asks);
  EXPECT_EQ(world.provider.count("create"), GetParam().asks ? 1 : 0);
  if (!GetParam().asks) EXPECT_EQ(world.store.find(action.worker), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Durations, SpawnAfterStandStill,
                         testing::Values(StandStill{29'999ms, true}, StandStill{30s, true},
                                         StandStill{30'001ms, false}, StandStill{1h, false}),
                         [](const auto& info) { return std::to_string(info.param.duration.count()); });

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

TEST_F(Spawn, ACreateThatWasNotSentEndsTheRowWithoutAFailureAndTheNextOnesWait) {
  world.provider.on_create = [](const PodSpec&) { return CreateNotSent{"connection refused"}; };
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(world.store.failed.empty());
  EXPECT_EQ(last_change().status, WorkerStatus::terminated);
  EXPECT_TRUE(context.memory.rate_limited_until.has_value());
}

TEST_F(Spawn, AUsedUpQuotaMakesTheNextOnesWaitAsLongAsTheServiceSays) {
  std::optional<Duration> retry_after = 17s;
  world.provider.on_create = [&](const PodSpec&) { return CreateRateLimited{retry_after, "rate limit"}; };
  const MonoTime now = world.clock.now();
  EXPECT_FALSE(spawn());
  EXPECT_TRUE(world.store.failed.empty());
  EXPECT_GE(context.memory.rate_limited_until, now + 17s);
  EXPECT_LT(context.memory.rate_limited_until, now + 20s);
  retry_after.reset();
  action.worker = make_worker_id("default", fakes::FakeClock::kWallStart, 8);
  EXPECT_FALSE(spawn());
  EXPECT_GE(context.memory.rate_limited_until, now + 30s);
}

TEST_F(Spawn, ARefusalOfOneCandidateSetsItAsideAndCountsAsNoFailedStart) {
  for (const ports::CreateOutcome& answer :
       {ports::CreateOutcome(CreateUnauthorized{403, "access denied"}),
        ports::CreateOutcome(CreateInvalid{400, "this data centre does not take custom images"})}) {
    LoopWorld fresh;
    Context its(fresh.environment(), LoopWorld::settings());
    its.epoch = fresh.store.state.leader.epoch;
    fresh.provider.on_create = [&](const PodSpec&) { return answer; };
    EXPECT_FALSE(fresh.finish(spawn_worker(its, action, "needed")));
    ASSERT_EQ(fresh.store.failed.size(), 1u);
    EXPECT_FALSE(fresh.store.failed[0].counts_as_start);
    EXPECT_TRUE(fresh.store.state.workers.empty());
    ASSERT_TRUE(its.memory.exhausted.contains(action.placement.key()));
    EXPECT_TRUE(its.memory.exhausted[action.placement.key()].refused);
  }
}

TEST_F(Spawn, ARefusedKeyAndAMalformedRequestCountAsFailuresThatRepeat) {
  for (const ports::CreateOutcome& answer :
       {ports::CreateOutcome(CreateUnauthorized{401, "missing bearer token"}),
        ports::CreateOutcome(CreateInvalid{422, "Request validation failed."})}) {
    LoopWorld fresh;
    Context its(fresh.environment(), LoopWorld::settings());
    its.epoch = fresh.store.state.leader.epoch;
    fresh.provider.on_create = [&](const PodSpec&) { return answer; };
    EXPECT_FALSE(fresh.finish(spawn_worker(its, action, "needed")));
    ASSERT_EQ(fresh.store.failed.size(), 1u);
    EXPECT_TRUE(fresh.store.failed[0].counts_as_start);
    EXPECT_TRUE(its.memory.exhausted.empty());
  }
}

TEST_F(Spawn, SaysSoWhenTheRowHasChangedBeforeThePodsIdWasWrittenDown) {
  world.provider.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "create") ++world.store.state.leader.epoch;
    co_return;
  };
  const auto ended = spawn();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::conflict);
  EXPECT_THAT(ended.error().message, HasSubstr("pod-1 created, id not written down"));
}

TEST_F(Spawn, Case16NothingSecretIsInThePodsEnvironment) {
  ASSERT_TRUE(spawn());
  const PodSpec& spec = world.provider.created.at(0);
  EXPECT_EQ(spec.env.size(), 4u);
  for (const auto& [name, value] : spec.env) EXPECT_THAT(value, testing::Not(HasSubstr("sb_"))) << name;
}

}  // namespace
}  // namespace gpuwarden::control
