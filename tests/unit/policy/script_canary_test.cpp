#include "policy/script_canary.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// A fleet at work on script s1, and a daemon that has just been given s2-new.
struct NewScript : testing::Test {
  World world;
  NewScript() {
    for (int i = 0; i < 4; ++i) world.busy();
    world.settings.max_active = 20;
    world.settings.script_hash = "s2-new-and-long";
    world.held_script = "s1";
    world.snapshot.queue.queued = 3;
  }
  struct Spawned {
    int canaries{0}, others{0};
  };
  static Spawned spawned(const Plan& plan) {
    Spawned result;
    for (const SpawnWorker& spawn : actions<SpawnWorker>(plan)) {
      EXPECT_NE(spawn.canary, spawn.last_good);
      ++(spawn.last_good ? result.others : result.canaries);
    }
    return result;
  }
  Worker& canary() {
    Worker& worker = world.spawning(Phase::bootstrapping, 60s, PodStatus::running);
    worker.canary = true;
    world.bringing_up = {worker.id};
    return worker;
  }
  void canary_failed(Duration age, FailureCause cause = FailureCause::setup_failed) {
    world.outcome(false, cause, age);
  }
};

TEST_F(NewScript, IsTriedOnOnePodAndTheRestGetsTheLastGoodOne) {
  const Plan plan = world.tick();
  EXPECT_EQ(spawned(plan).canaries, 1) << words(plan);
  EXPECT_EQ(spawned(plan).others, 2) << words(plan);
  EXPECT_EQ(reason_of<SpawnWorker>(plan),
            "first with script s2-new-a: 3 queued and 4 running tasks want 7 workers, 4 are there");
  ASSERT_NE(gate(plan, "script_canary"), nullptr);
  EXPECT_EQ(
      gate(plan, "script_canary")->reason,
      "new script/configuration s2-new-a is tried on one pod first; until that works the fleet stays on s1");
}

TEST_F(NewScript, IsTriedOnOnePodAloneWhereTheOldSettingsAreGone) {
  for (const char* held : {"", "another"}) {
    world.held_script = held;
    const Plan plan = world.tick();
    EXPECT_EQ(spawned(plan).canaries, 1) << words(plan);
    EXPECT_EQ(spawned(plan).others, 0) << words(plan);
  }
}

TEST_F(NewScript, RunsOnNoSecondPodWhileTheFirstIsOnItsWay) {
  canary();
  EXPECT_EQ(spawned(world.tick()).canaries, 0);
  EXPECT_EQ(spawned(world.tick()).others, 2);
  world.held_script.clear();
  EXPECT_TRUE(actions<SpawnWorker>(world.tick()).empty());
}

TEST_F(NewScript, RunsOnNoSecondPodWhileTheFirstIsBeingCalledOff) {
  Worker& worker = canary();
  worker.status = WorkerStatus::terminating;
  worker.phase = Phase::deleting;
  EXPECT_EQ(spawned(world.tick()).canaries, 0);
}

TEST_F(NewScript, WaitsForASpawnWhoseRowIsNotReadYet) {
  world.in_flight = {world.name(77)};
  EXPECT_EQ(spawned(world.tick()).canaries, 0);
}

TEST_F(NewScript, IsKeptAsGoodWithTheFirstHeartbeatAndThenRunsEverywhere) {
  canary().heartbeat_age = 1s;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<SaveBreaker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<SaveBreaker>(plan).front().memory.good_script, "s2-new-and-long");
  EXPECT_EQ(gate(plan, "script_canary"), nullptr);
  for (const SpawnWorker& spawn : actions<SpawnWorker>(plan)) EXPECT_FALSE(spawn.last_good);
  world.snapshot.breaker.good_script = "s2-new-and-long";
  EXPECT_TRUE(actions<SaveBreaker>(world.tick()).empty());
}

TEST_F(NewScript, IsProvenByAStartThatHasEndedMeanwhile) {
  world.outcome(true);
  const Plan plan = world.tick();
  EXPECT_EQ(gate(plan, "script_canary"), nullptr);
  ASSERT_EQ(actions<SaveBreaker>(plan).size(), 1U);
  EXPECT_EQ(actions<SaveBreaker>(plan).front().memory.good_script, "s2-new-and-long");
}

TEST_F(NewScript, ThatWasGoodBeforeIsTakenBackWithoutATrial) {
  world.settings.script_hash = "s1";
  world.snapshot.breaker.good_script = "s2-new-and-long";
  const Plan plan = world.tick();  // workers of s1 live
  EXPECT_EQ(gate(plan, "script_canary"), nullptr) << words(plan);
}

struct Pause {
  int failures;
  Duration pause;
};
struct Pauses : NewScript, testing::WithParamInterface<Pause> {};

TEST_P(Pauses, DoubleWithEachFailedCanaryUpToAnHour) {
  for (int i = 0; i < GetParam().failures; ++i) canary_failed(GetParam().pause - 1ms + Duration(1min) * i);
  Plan plan = world.tick();
  EXPECT_EQ(spawned(plan).canaries, 0) << words(plan);
  EXPECT_GT(spawned(plan).others, 0) << words(plan);
  ASSERT_NE(gate(plan, "script_canary"), nullptr);
  EXPECT_EQ(gate(plan, "script_canary")->opens_in, 1ms);
  EXPECT_NE(gate(plan, "script_canary")->reason.find("failed on"), std::string::npos);
  EXPECT_NE(gate(plan, "script_canary")->reason.find("setup_failed"), std::string::npos);
  for (StartOutcome& outcome : world.snapshot.outcomes) outcome.age += 1ms;
  plan = world.tick();
  EXPECT_EQ(spawned(plan).canaries, 1) << words(plan);
}

INSTANTIATE_TEST_SUITE_P(Failures, Pauses,
                         testing::Values(Pause{1, 120s}, Pause{2, 240s}, Pause{3, 480s}, Pause{6, 3600s},
                                         Pause{20, 3600s}),
                         [](const auto& info) { return std::to_string(info.param.failures); });

TEST_F(NewScript, ThatFailsDoesNotOpenTheBreakerUnderAFleetThatIsWell) {
  for (int i = 0; i < 10; ++i) canary_failed(Duration(10min) * i);
  for (const char* held : {"s1", ""}) {
    world.held_script = held;
    const Plan plan = world.tick();
    EXPECT_TRUE(actions<SaveBreaker>(plan).empty()) << words(plan);
    EXPECT_EQ(spawned(plan).others > 0, held[0] != 0) << words(plan);
  }
}

TEST_F(NewScript, IsNotHeldBackByWhatIsNobodysFault) {
  canary_failed(1s, FailureCause::no_capacity);
  EXPECT_EQ(spawned(world.tick()).canaries, 1);
}

TEST_F(NewScript, SaysTheSameForAsLongAsNothingHappens) {
  canary_failed(10s);
  const std::string reason = gate(world.tick(), "script_canary")->reason;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(gate(world.run(5s), "script_canary")->reason, reason);
  canary_failed(0s);
  std::rotate(world.snapshot.outcomes.begin(), world.snapshot.outcomes.end() - 1,
              world.snapshot.outcomes.end());
  EXPECT_NE(gate(world.tick(), "script_canary")->reason, reason);
}

TEST_F(NewScript, IsTheCanaryThatAnOpenBreakerLetsThrough) {
  canary_failed(10s);  // its own pause would be longer
  world.snapshot.breaker.state = BreakerState::half_open;
  world.snapshot.breaker.script_hash = world.settings.script_hash;
  world.snapshot.breaker.generation = 5;
  const Plan plan = world.tick();
  EXPECT_EQ(spawned(plan).canaries, 1) << words(plan);
  EXPECT_EQ(spawned(plan).others, 0) << words(plan);
}

TEST(FirstScript, IsHeldBackBySlowStartAlone) {
  World world;
  world.snapshot.breaker.good_script.clear();
  world.snapshot.queue.queued = 5;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 2U) << words(plan);
  EXPECT_EQ(gate(plan, "script_canary"), nullptr);
  for (const SpawnWorker& spawn : actions<SpawnWorker>(plan)) EXPECT_FALSE(spawn.canary || spawn.last_good);
}

TEST(FirstScript, ThatFailedIsReplacedWithoutATrial) {
  World world;
  world.snapshot.breaker.good_script.clear();
  world.outcome(false);
  world.settings.script_hash = "s2";
  world.snapshot.queue.queued = 5;
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 2U);
}

TEST(FirstScript, IsNotedAsGoodOnce) {
  World world;
  world.snapshot.breaker.good_script.clear();
  world.idle();
  const Plan plan = world.tick();
  ASSERT_EQ(actions<SaveBreaker>(plan).size(), 1U);
  EXPECT_EQ(actions<SaveBreaker>(plan).front().memory.good_script, "s1");
  EXPECT_TRUE(actions<SaveBreaker>(plan).front().script_only);
  EXPECT_EQ(actions<SaveBreaker>(plan).front().memory.generation, world.snapshot.breaker.generation);
}

TEST(GoodScript, IsFoundInTheHistoryOfDatabasesThatDoNotNameIt) {
  World world;
  world.snapshot.breaker.good_script.clear();
  EXPECT_EQ(good_script(world.snapshot), "");
  world.idle().script_hash = "of a worker";
  EXPECT_EQ(good_script(world.snapshot), "of a worker");
  world.outcome(false);
  world.outcome(true);
  world.snapshot.outcomes.back().script_hash = "of an outcome";
  EXPECT_EQ(good_script(world.snapshot), "of an outcome");
  world.snapshot.breaker.good_script = "kept";
  EXPECT_EQ(good_script(world.snapshot), "kept");
}

}  // namespace
}  // namespace gpuwarden::policy
