#include <gtest/gtest.h>

#include "breaker_starts.hpp"

namespace gpuwarden::policy {
namespace {

std::optional<std::string> opens(std::string_view newest_first, Duration age = 10s) {
  const Settings settings;
  return reason_to_open(tally_of(starts(newest_first, age), BreakerMemory{}, settings), settings);
}

TEST(Breaker, OpensAboveTheShareThatTheOperatorAllowsAndNotAtIt) {
  EXPECT_FALSE(opens("--+--").has_value());  // 4 of 5 is the share, not above it
  EXPECT_TRUE(opens("--+---").has_value());  // 5 of 6 is, and CUSUM is silent yet
  EXPECT_FALSE(opens("--+--+").has_value());
  EXPECT_FALSE(opens("").has_value());
  Settings settings;
  settings.max_failure_rate = 0.5;
  settings.min_workers_for_rate = 3;
  const auto opens_by = [&](std::string_view outcomes) {
    return reason_to_open(tally_of(starts(outcomes), BreakerMemory{}, settings), settings).has_value();
  };
  EXPECT_FALSE(opens_by("--"));  // too few
  EXPECT_TRUE(opens_by("-+-"));
  EXPECT_FALSE(opens_by("-+-+"));
}

TEST(Breaker, CountsTheShareInTheWindowOnly) {
  EXPECT_TRUE(opens("--+---", 30min - 5s).has_value());
  EXPECT_FALSE(opens("--+---", 30min - 5s + 1ms).has_value());
}

TEST(Breaker, OpensByARowOfFailuresHoweverSlowlyTheyComeIn) {
  // Two at a time, each ending by a deadline of half an hour: never five in the window.
  const Settings settings;
  std::vector<StartOutcome> outcomes;
  for (int i = 0; i < 5; ++i) {
    StartOutcome outcome = starts("-", 30min * (i / 2)).front();
    outcomes.push_back(outcome);
    const bool open = reason_to_open(tally_of(outcomes, BreakerMemory{}, settings), settings).has_value();
    EXPECT_EQ(open, i == 4) << i;
  }
  EXPECT_GE(evidence_window(settings), 90min);
}

TEST(Breaker, OpensByARowOfFailuresAfterALongHealthyHistory) {
  const std::string healthy(40, '+');
  EXPECT_FALSE(opens("----" + healthy).has_value());
  EXPECT_TRUE(opens("-----" + healthy).has_value());
}

TEST(Case07, NormalEndsAreNoOutcomesAndUncountedCausesNoFailures) {
  EXPECT_FALSE(opens("cccccccccccccccccccc").has_value());
  EXPECT_FALSE(opens("c-c-c-c-c").has_value());  // four failures
}

TEST(Case08, NoCapacityNeitherOpensTheBreakerNorHidesFailures) {
  EXPECT_TRUE(opens("cccc-cc-cc-c-c-").has_value());
  World world;
  for (int i = 0; i < 50; ++i) world.outcome(false, FailureCause::no_capacity);
  world.snapshot.queue.queued = 1;
  const Plan plan = world.tick();
  EXPECT_TRUE(actions<SaveBreaker>(plan).empty());
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 1U);
}

TEST(Breaker, ListensToItsOwnGenerationAndScriptOnly) {
  Settings settings;
  settings.script_hash = "new";
  auto outcomes = starts("------");
  for (StartOutcome& outcome : outcomes) outcome.script_hash = "old";
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, settings).failures, 0);
  for (StartOutcome& outcome : outcomes) outcome.script_hash = "new";
  EXPECT_EQ(tally_of(outcomes, BreakerMemory{}, settings).failures, 6);
  BreakerMemory later;
  later.generation = 2;
  EXPECT_EQ(tally_of(outcomes, later, settings).failures, 0);
}

TEST(Breaker, OpensAtTheSecondFailureThatMustRepeat) {
  const Settings settings;
  for (const FailureCause cause : {FailureCause::unauthorized, FailureCause::invalid_request,
                                   FailureCause::ssh_auth_failed, FailureCause::insufficient_balance}) {
    auto outcomes = starts("-");
    outcomes[0].cause = cause;
    EXPECT_FALSE(reason_to_open(tally_of(outcomes, BreakerMemory{}, settings), settings).has_value());
    outcomes.push_back(outcomes[0]);
    EXPECT_TRUE(reason_to_open(tally_of(outcomes, BreakerMemory{}, settings), settings).has_value());
    outcomes[1].cause = FailureCause::start_failed;
    EXPECT_FALSE(reason_to_open(tally_of(outcomes, BreakerMemory{}, settings), settings).has_value());
  }
  auto parted = starts("-+-");
  parted[0].cause = parted[2].cause = FailureCause::invalid_request;
  EXPECT_FALSE(reason_to_open(tally_of(parted, BreakerMemory{}, settings), settings).has_value());
}

TEST(Breaker, IsUnchangedWithoutEvidence) {
  EXPECT_EQ(next_state(input_of(BreakerMemory{}, "----"), Settings{}), BreakerMemory{});
}

TEST(Breaker, OpensUnderANewGenerationWithTheFirstPause) {
  const BreakerMemory open = next_state(input_of(BreakerMemory{}, "-----"), Settings{});
  EXPECT_EQ(open.state, BreakerState::open);
  EXPECT_EQ(open.generation, 2);
  EXPECT_EQ(open.pause, Duration(120s));
  EXPECT_NE(open.reason.find("start_failed"), std::string::npos);
}

TEST(Breaker, SpreadsItsPauseByAFifth) {
  BreakerInput input = input_of(BreakerMemory{}, "-----");
  input.jitter = 0;
  EXPECT_EQ(next_state(input, Settings{}).pause, Duration(96s));
  input.jitter = 1;
  EXPECT_EQ(next_state(input, Settings{}).pause, Duration(144s));
}

TEST(Breaker, HalfOpensWhenThePauseHasPassed) {
  EXPECT_EQ(next_state(input_of(open_for(119'999ms)), Settings{}).state, BreakerState::open);
  const BreakerMemory half = next_state(input_of(open_for(120s)), Settings{});
  EXPECT_EQ(half.state, BreakerState::half_open);
  EXPECT_EQ(half.generation, 3);
}

TEST(Breaker, HalfOpensAtOnceForANewScript) {
  Settings settings;
  settings.script_hash = "new";
  EXPECT_EQ(next_state(input_of(open_for(0s)), settings).state, BreakerState::half_open);
}

BreakerMemory half_open(int successes = 0, Duration pause = 120s) {
  BreakerMemory memory = open_for(10s, pause);
  memory.state = BreakerState::half_open;
  memory.canary_successes = successes;
  return memory;
}

TEST(Case09, ClosesByItselfAfterTwoCanaries) {
  const BreakerMemory one = next_state(input_of(half_open(), "+"), Settings{});
  EXPECT_EQ(one.state, BreakerState::half_open);
  EXPECT_EQ(one.canary_successes, 1);
  const BreakerMemory two = next_state(input_of(half_open(), "++"), Settings{});
  EXPECT_EQ(two.state, BreakerState::closed);
  EXPECT_EQ(two.generation, 3);
  EXPECT_EQ(two.pause, Duration{0});
}

TEST(Breaker, ReopensWithTwiceThePauseUpToTheLongest) {
  const BreakerMemory open = next_state(input_of(half_open(), "-"), Settings{});
  EXPECT_EQ(open.state, BreakerState::open);
  EXPECT_EQ(open.pause, Duration(240s));
  EXPECT_EQ(next_state(input_of(half_open(0, 1800s), "-"), Settings{}).pause, Duration(3600s));
  EXPECT_EQ(next_state(input_of(half_open(0, 3600s), "-"), Settings{}).pause, Duration(3600s));
}

TEST(Breaker, ReopensWhenTheSecondCanaryFails) {
  EXPECT_EQ(next_state(input_of(half_open(1), "-+"), Settings{}).state, BreakerState::open);
}

TEST(Breaker, IsNotReopenedByACanaryWithoutCapacity) {
  EXPECT_EQ(next_state(input_of(half_open(), "c"), Settings{}).state, BreakerState::half_open);
}

TEST(Breaker, LetsOneCanaryThroughAtATime) {
  BreakerInput input = input_of(half_open());
  SpawnPermit allowed = permit(input.kept, input, 0, 0, Settings{});
  EXPECT_EQ(allowed.slots, 1);
  EXPECT_TRUE(allowed.canary);
  input.ghosts = 1;  // a spawn whose row is not read yet may be a canary
  EXPECT_EQ(permit(input.kept, input, 1, 0, Settings{}).slots, 0);
  input.ghosts = 0;
  input.canary_alive = WorkerId("c");
  EXPECT_EQ(permit(input.kept, input, 1, 0, Settings{}).slots, 0);
}

TEST(Breaker, SaysWhenItTriesAgain) {
  const BreakerInput input = input_of(open_for(20s));
  const SpawnPermit none = permit(input.kept, input, 0, 0, Settings{});
  EXPECT_EQ(none.slots, 0);
  EXPECT_EQ(none.opens_in, Duration(100s));
}

TEST(Override, HoldsUntilItExpires) {
  World world;
  world.snapshot.queue.queued = 1;
  world.snapshot.breaker_override =
      BreakerOverride{BreakerOverride::Kind::hold, "anna", "provider incident", Duration(60s)};
  Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "breaker"), nullptr);
  EXPECT_EQ(gate(plan, "breaker")->reason, "held by anna: provider incident");
  EXPECT_EQ(gate(plan, "breaker")->opens_in, Duration(60s));
  world.snapshot.breaker_override->expires_in = Duration{0};
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 1U);
}

TEST(Override, ReleaseClosesAndKeepsClosed) {
  World world;
  world.snapshot.queue.queued = 1;
  world.snapshot.breaker = open_for(0s);
  world.snapshot.breaker.script_hash = "s1";
  world.snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::release, "anna", "", {}};
  const Plan plan = world.tick();
  ASSERT_EQ(actions<SaveBreaker>(plan).size(), 1U);
  EXPECT_EQ(actions<SaveBreaker>(plan).front().memory.state, BreakerState::closed);
  EXPECT_EQ(actions<SpawnWorker>(plan).size(), 1U);
  world.snapshot.breaker = actions<SaveBreaker>(plan).front().memory;
  for (int i = 0; i < 20; ++i) world.outcome(false);
  EXPECT_TRUE(actions<SaveBreaker>(world.tick()).empty());
}

}  // namespace
}  // namespace gpuwarden::policy
