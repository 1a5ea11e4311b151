#include <gtest/gtest.h>

#include "breaker_story.hpp"

namespace gpuwarden::policy {
namespace {

constexpr auto kOpen = BreakerState::open;
constexpr auto kHalf = BreakerState::half_open;
constexpr auto kClosed = BreakerState::closed;

/// The operator allows half of five starts to fail.
Story strict(int places = 3) {
  Story story(places);
  story.settings.max_failure_rate = 0.5;
  return story;
}

ScopeBreaker shut(const Story& story, int place, Duration pause = 3600s) {
  ScopeBreaker scope;
  scope.key = fmt::format("host|RTX 4090|DC-{}", place);
  scope.state = kOpen;
  scope.since = story.snapshot.db_now;
  scope.pause = pause;
  return scope;
}

TEST(Blame, FallsOnThreeFailuresInARowAtOnePlace) {
  Story story = strict();
  story.succeed(1);
  story.fail(1);
  story.fail(0, 3);  // 4 of 5, and without them 1 of 2
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kClosed);
  EXPECT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.state(1), kClosed);
}

TEST(Blame, FallsOnAPlaceWhereTheRestFailsNowAndThen) {
  Story story = strict();
  story.succeed(1);
  story.fail(1);
  story.succeed(1);
  story.fail(1);  // a score below that of two failures
  story.fail(0, 3);
  EXPECT_EQ(story.fleet(), kClosed);
  EXPECT_EQ(story.state(0), kOpen);
}

TEST(Blame, FallsOnNobodyWhereTheOtherPlaceIsShut) {
  Story story = strict(2);
  story.snapshot.breaker.scopes = {shut(story, 0)};
  story.succeed(1, 1);
  story.fail(1, 4);
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kOpen);
  EXPECT_TRUE(verdict.state.reason.starts_with("4 of 5 starts failed")) << verdict.state.reason;
}

TEST(AtStake, DependsOnThePlacesThatAreLeft) {
  Story story(2);
  story.succeed(1, 5);
  EXPECT_EQ(story.judge().permit.slots, 5);  // the last two are kept for the other place
  story.snapshot.breaker.scopes = {shut(story, 0)};
  EXPECT_EQ(story.judge().permit.slots, 7);
  Story three(3);
  three.succeed(1, 5);
  three.snapshot.breaker.scopes = {shut(three, 0)};
  EXPECT_EQ(three.judge().permit.slots, 5);
}

TEST(AtStake, CountsTheFailuresThatAPlaceExplains) {
  Story story;
  story.succeed(1, 5);
  story.fail(0, 5);
  const BreakerVerdict verdict = story.judge();
  ASSERT_EQ(verdict.state.state, kClosed);
  ASSERT_EQ(story.state(0), kOpen);
  EXPECT_EQ(verdict.permit.slots, 2);
}

TEST(AtStake, GivesCreditForActiveWorkersOfThisScriptThatHaveProvenThemselves) {
  Story story;
  Worker& worker = story.under_way(0);
  worker.status = WorkerStatus::active;
  EXPECT_EQ(story.judge().permit.slots, 2);  // not proven
  worker.proven = true;
  EXPECT_EQ(story.judge().permit.slots, 4);
  worker.script_hash = "s0";
  EXPECT_EQ(story.judge().permit.slots, 2);
  worker.script_hash = story.settings.script_hash;
  worker.status = WorkerStatus::terminating;
  EXPECT_EQ(story.judge().permit.slots, 2);
  worker.proven = false;
  worker.status = WorkerStatus::spawning;
  EXPECT_EQ(story.judge().permit.slots, 1);
  story.ghosts = 1;
  EXPECT_EQ(story.judge().permit.slots, 0);
}

/// Half open by a pause that has passed.
Story probing() {
  Story story;
  story.fail(1, 5, FailureCause::start_failed);
  EXPECT_EQ(story.fleet(), kOpen);
  story.pass(150s);
  EXPECT_EQ(story.fleet(), kHalf);
  return story;
}

TEST(Canary, IsAStartOfThisGenerationOrALaterOneThatWasMarkedAsOne) {
  Story story = probing();
  Worker& worker = story.under_way(0);
  EXPECT_EQ(story.judge().permit.slots, 1);  // another pod
  worker.canary = true;
  for (const int later : {0, 1}) {  // the state of a later one could not be saved
    worker.generation = story.snapshot.breaker.generation + later;
    const BreakerVerdict verdict = story.judge();
    EXPECT_EQ(verdict.permit.slots, 0);
    EXPECT_EQ(verdict.state.canary, worker.id);
  }
  worker.generation = story.snapshot.breaker.generation - 1;
  EXPECT_EQ(story.judge().permit.slots, 1);
  worker.generation = story.snapshot.breaker.generation;
  worker.status = WorkerStatus::active;
  EXPECT_EQ(story.judge().permit.slots, 1);
}

TEST(Canary, OfTheOldScriptDoesNotStandInForTheNewOnes) {
  Story story = probing();
  story.under_way(0).canary = true;
  ASSERT_EQ(story.judge().permit.slots, 0);
  const std::int64_t generation = story.snapshot.breaker.generation;
  story.settings.script_hash = "s2";
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.generation, generation + 1);
  EXPECT_EQ(verdict.permit.slots, 1);
  EXPECT_EQ(verdict.news, "half_open -> half_open: startup script or worker configuration changed");
  EXPECT_TRUE(story.judge().news.empty());
}

TEST(Pause, IsSpreadByTheTicksSeed) {
  const auto pause = [](std::uint64_t random) {
    Story story;
    story.random = random;
    story.fail(1, 5, FailureCause::start_failed);
    return story.judge().state.pause;
  };
  EXPECT_EQ(pause(0), Duration(96s));
  EXPECT_LT(pause(998), Duration(144s));
  EXPECT_EQ(pause(999), Duration(144s));
  EXPECT_EQ(pause(1000), Duration(96s));
}

TEST(Override, IsInForceUntilItsLastMillisecond) {
  Story story;
  story.snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "anna", "why", 1ms};
  EXPECT_EQ(story.judge().permit.slots, 0);
  story.snapshot.breaker_override->expires_in = 0ms;
  EXPECT_EQ(story.judge().permit.slots, 2);
}

TEST(Override, KeepsPlacesAsTheyAreAndTellsNothingOfThem) {
  for (const auto kind : {BreakerOverride::Kind::hold, BreakerOverride::Kind::release}) {
    Story story = strict();
    story.succeed(1);
    story.fail(1);
    story.fail(0, 3);
    story.snapshot.breaker_override = BreakerOverride{kind, "anna", "why", {}};
    const BreakerVerdict verdict = story.judge();
    EXPECT_EQ(verdict.news, "");
    EXPECT_TRUE(verdict.state.scopes.empty());
    story.snapshot.breaker_override.reset();
    EXPECT_EQ(story.state(0), kOpen);
  }
}

TEST(Override, ThatHoldsLeavesPlacesShut) {
  Story story;
  story.snapshot.breaker.scopes = {shut(story, 0)};
  story.snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "anna", "why", {}};
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.places.gates().size(), 1U);
  EXPECT_FALSE(verdict.places.has_room(Story::place(0)));
}

}  // namespace
}  // namespace gpuwarden::policy
