#include "policy/breaker_scope.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "breaker_story.hpp"

namespace gpuwarden::policy {
namespace {

constexpr auto kOpen = BreakerState::open;
constexpr auto kHalf = BreakerState::half_open;
constexpr auto kClosed = BreakerState::closed;

TEST(Place, OpensAtThreeNewFailuresThatAreTheSame) {
  Story story;
  story.succeed(1, 3);
  story.fail(0, 2, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kClosed);
  story.fail(0, 1, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.state(1), kClosed);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Place, OpensAtFiveFailuresThatDiffer) {
  Story story;
  story.succeed(1, 3);
  story.fail(0, 4);
  EXPECT_EQ(story.state(0), kClosed);
  story.fail(0);
  EXPECT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Place, IsCalmedByItsOwnSuccessesOnly) {
  Story calm, elsewhere;
  for (Story* story : {&calm, &elsewhere}) {
    for (int i = 0; i < 5; ++i) {
      story->fail(0);
      story->succeed(story == &calm ? 0 : 1, 2);
    }
  }
  EXPECT_EQ(calm.state(0), kClosed);
  EXPECT_EQ(elsewhere.state(0), kOpen);
}

TEST(Place, IsJudgedByEachClassForItself) {
  Story story;
  story.succeed(1, 3);
  for (int i = 0; i < 2; ++i) {
    story.fail(0, 1, FailureCause::pod_error);
    story.fail(0, 1, FailureCause::provision_timeout);
  }
  EXPECT_EQ(story.state(0, "host"), kClosed);
  story.fail(0, 1, FailureCause::start_failed);  // the script is no fault of the place
  const auto scopes = story.judge().state.scopes;
  EXPECT_TRUE(std::all_of(scopes.begin(), scopes.end(), [](const ScopeBreaker& scope) {
    return scope.key.starts_with("host|") || scope.key.starts_with("placement|");
  }));
}

TEST(Place, KnowsNoNewFaultInWhatAnotherPlaceHasSurvived) {
  Story story;
  story.fail(1, 1, FailureCause::pod_error, "x");
  story.succeed(1);
  story.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kClosed);
  Story other;
  other.fail(1, 1, FailureCause::pod_error, "x");
  other.succeed(2);  // a success elsewhere says nothing of place 1
  other.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(other.state(0), kOpen);
}

/// Place 0 has just opened, with a pause of two minutes.
Story opened() {
  Story story;
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kOpen);
  story.snapshot.breaker.scopes.front().pause = 120s;
  return story;
}

TEST(Place, IsTriedAgainWhenItsPauseHasPassed) {
  Story story = opened();
  story.pass(120s - 1ms);
  EXPECT_EQ(story.state(0), kOpen);
  story.pass(1ms);
  EXPECT_EQ(story.state(0), kHalf);
}

TEST(Place, ClosesAfterTwoCanariesAndForgetsWhatWasBefore) {
  Story story = opened();
  story.pass(120s);
  ASSERT_EQ(story.state(0), kHalf);
  story.succeed(0);
  EXPECT_EQ(story.state(0), kHalf);
  EXPECT_EQ(story.snapshot.breaker.scopes.front().canary_successes, 1);
  story.succeed(0);
  EXPECT_EQ(story.state(0), kClosed);
  story.fail(0, 2, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kClosed);
  story.fail(0, 1, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kOpen);
}

TEST(Place, KeepsACanarysSuccessThatIsReadNoMore) {
  Story story = opened();
  story.pass(120s);
  ASSERT_EQ(story.state(0), kHalf);
  story.succeed(0);
  ASSERT_EQ(story.state(0), kHalf);
  story.snapshot.outcomes.clear();
  story.succeed(0);
  EXPECT_EQ(story.state(0), kHalf);  // one that is read, one that was counted: the same may be both
  story.succeed(0);
  EXPECT_EQ(story.state(0), kClosed);
}

TEST(Place, ReopensByOneFailureWithTwiceThePauseUpToTheLongest) {
  Story story = opened();
  Duration expected = 240s;
  story.pass(120s);
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(story.state(0), kHalf);
    story.fail(0);
    ASSERT_EQ(story.state(0), kOpen);
    Duration& pause = story.snapshot.breaker.scopes.front().pause;
    EXPECT_GE(pause, std::min<Duration>(expected, 4500s) * 8 / 10);
    EXPECT_LE(pause, std::min<Duration>(expected * 12 / 10, 3600s));
    pause = std::min<Duration>(expected, 3600s);
    expected *= 2;
    story.pass(pause);
  }
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Place, LearnsNothingFromPodsThatWereAskedForBefore) {
  Story story;
  story.succeed(1, 2);
  const WorkerId fails = story.ask(), succeeds = story.ask(), other = story.ask();
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.pass(150s);
  ASSERT_EQ(story.state(0), kHalf);
  story.pass(1s);
  story.ended(fails, 0, false);
  story.ended(succeeds, 0, true);
  story.ended(other, 0, true);
  EXPECT_EQ(story.state(0), kHalf);
  EXPECT_EQ(story.snapshot.breaker.scopes.front().canary_successes, 0);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Place, CountsTheCanaryOfTheSecondInWhichItHalfOpened) {
  Story story = opened();
  story.pass(120s + 900ms);
  ASSERT_EQ(story.state(0), kHalf);
  const WorkerId canary = story.ask();  // its name says the second's beginning
  story.pass(40s);
  story.ended(canary, 0, false);
  EXPECT_EQ(story.state(0), kOpen);
}

TEST(Place, IsRememberedAfterClosingAsLongAsOldStartsMayBeRead) {
  Story story = opened();
  story.pass(120s);
  ASSERT_EQ(story.state(0), kHalf);
  story.succeed(0, 2);
  ASSERT_EQ(story.state(0), kClosed);
  ASSERT_EQ(story.snapshot.breaker.scopes.size(), 1U);
  story.snapshot.outcomes.clear();
  story.pass(evidence_window(story.settings));
  EXPECT_EQ(story.judge().state.scopes.size(), 1U);
  story.pass(1ms);
  EXPECT_TRUE(story.judge().state.scopes.empty());
}

TEST(Place, IsNotHeldLongerByAClockThatWasSetBack) {
  Story story = opened();
  story.snapshot.breaker.scopes.front().since += 5h;
  ASSERT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.snapshot.breaker.scopes.front().since, story.snapshot.db_now);
  story.pass(120s);
  EXPECT_EQ(story.state(0), kHalf);
}

TEST(Place, ThatNobodyUnderstandsIsDropped) {
  Story story;
  for (const char* key : {"", "host", "host|gpu", "image_and_script|s1|x", "moon|gpu|dc"}) {
    ScopeBreaker scope;
    scope.key = key;
    scope.state = kOpen;
    scope.pause = 1h;
    story.snapshot.breaker.scopes = {scope};
    EXPECT_TRUE(story.judge().state.scopes.empty()) << key;
  }
}

TEST(Place, KeepsItsKeyThroughText) {
  const ScopeKey key{FailureScope::network, {"NVIDIA GeForce RTX 4090", "EU-RO-1"}};
  const std::string text = key_text(key);
  EXPECT_EQ(text, "network|NVIDIA GeForce RTX 4090|EU-RO-1");
  EXPECT_EQ(parse_key(text), key);
  const std::string anywhere = key_text({FailureScope::host, {"gpu", ""}});
  ASSERT_TRUE(parse_key(anywhere));
  EXPECT_EQ(scope_words(*parse_key(anywhere)), "host faults on gpu anywhere");
}

TEST(Place, PausesNotAtTheSameMomentAsOthers) {
  std::set<Duration> pauses;
  for (int place = 0; place < 6; ++place) {
    Story story(7);
    story.succeed(6, 2);
    story.fail(place, 3, FailureCause::pod_error, "x");
    ASSERT_EQ(story.state(place), kOpen);
    const Duration pause = story.snapshot.breaker.scopes.front().pause;
    EXPECT_GE(pause, Duration(96s));
    EXPECT_LE(pause, Duration(144s));
    pauses.insert(pause);
  }
  EXPECT_GE(pauses.size(), 5U);
}

TEST(PlacePermits, LetOneCanaryThroughWhereItIsHalfOpenAndNoneWhereItIsOpen) {
  Story story = opened();
  story.pass(60s);
  BreakerVerdict verdict = story.judge();
  EXPECT_FALSE(verdict.places.has_room(Story::place(0)));
  EXPECT_TRUE(verdict.places.has_room(Story::place(1)));
  story.pass(60s);
  verdict = story.judge();
  EXPECT_TRUE(verdict.places.has_room(Story::place(0)));
  EXPECT_TRUE(verdict.places.is_probe(Story::place(0)));
  EXPECT_FALSE(verdict.places.is_probe(Story::place(1)));
  verdict.places.take(Story::place(0));
  EXPECT_FALSE(verdict.places.has_room(Story::place(0)));
  story.ghosts = 1;  // its row is not read yet
  EXPECT_FALSE(story.judge().places.has_room(Story::place(0)));
  story.ghosts = 0;
  Worker& canary = story.under_way(0);
  EXPECT_FALSE(story.judge().places.has_room(Story::place(0)));
  canary.placement = Story::place(1);
  EXPECT_TRUE(story.judge().places.has_room(Story::place(0)));
}

TEST(PlacePermits, SendNoSecondCanaryWhileTheStateCannotBeSaved) {
  Story story = opened();
  story.pass(120s);
  const BreakerMemory saved = story.snapshot.breaker;
  ASSERT_TRUE(story.judge().places.has_room(Story::place(0)));
  story.under_way(0);
  for (int i = 0; i < 20; ++i) {
    story.snapshot.breaker = saved;
    story.snapshot.breaker.state_age = 0s;
    story.pass(5s);
    EXPECT_FALSE(story.judge().places.has_room(Story::place(0))) << i;
  }
}

TEST(PlacePermits, DoubleWithEverySuccessThere) {
  Story story;
  const auto room = [&](int where) {
    BreakerVerdict verdict = story.judge();
    int count = 0;
    for (; verdict.places.has_room(Story::place(where)) && count < 100; ++count)
      verdict.places.take(Story::place(where));
    return count;
  };
  EXPECT_EQ(room(0), 2);
  story.under_way(0);
  EXPECT_EQ(room(0), 1);
  EXPECT_EQ(room(1), 2);
  story.succeed(0);
  EXPECT_EQ(room(0), 3);
  EXPECT_EQ(room(1), 2);
  Worker& proven = story.under_way(1);
  proven.status = WorkerStatus::active;
  proven.proven = true;
  EXPECT_EQ(room(1), 4);
  story.fail(1, 2);  // trouble there: it begins anew
  EXPECT_EQ(room(1), 2);
  story.fail(0, 2, FailureCause::start_failed);  // no trouble of the place
  EXPECT_EQ(room(0), 3);
  EXPECT_TRUE(story.judge().places.has_room(Story::place(9)));  // nobody knows it
}

TEST(PlacePermits, SayWhichPlacesAreShutAndWhenTheSoonestIsTriedAgain) {
  Story story(2);
  ScopeBreaker first, second;
  first.key = "host|RTX 4090|DC-0";
  first.state = kOpen;
  first.since = story.snapshot.db_now;
  first.pause = 300s;
  first.reason = "the canary failed: pod_error";
  second = first;
  second.key = "network|RTX 4090|DC-1";
  second.pause = 200s;
  story.snapshot.breaker.scopes = {first};
  EXPECT_FALSE(story.judge().places.why_none(story.offers));
  story.snapshot.breaker.scopes = {first, second};
  story.pass(50s);
  const BreakerVerdict verdict = story.judge();
  const auto gates = verdict.places.gates();
  ASSERT_EQ(gates.size(), 2U);
  const Gate* host = gate_of(gates, "host faults on RTX 4090 in DC-0: open: the canary failed: pod_error");
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->opens_in, Duration(250s));
  const auto none = verdict.places.why_none(story.offers);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->name, "places");
  EXPECT_NE(none->reason.find("RTX 4090 in DC-1"), std::string::npos);
  EXPECT_EQ(none->opens_in, Duration(150s));
  EXPECT_FALSE(verdict.places.why_none({}));
}

TEST(PlacePermits, SpeakOfSlowStartWhereNoPlaceIsShut) {
  Story story(1);
  story.under_way(0);
  story.under_way(0);
  const auto none = story.judge().places.why_none(story.offers);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->name, "slow_start");
  EXPECT_FALSE(none->opens_in);
}

}  // namespace
}  // namespace gpuwarden::policy
