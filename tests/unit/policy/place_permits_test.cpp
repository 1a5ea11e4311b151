#include "policy/place_permits.hpp"

#include <gtest/gtest.h>

#include "breaker_story.hpp"

namespace gpuwarden::policy {
namespace {

constexpr auto kOpen = BreakerState::open;
constexpr auto kHalf = BreakerState::half_open;
constexpr auto kClosed = BreakerState::closed;

ScopeBreaker breaker(const Story& story, const std::string& scope, int place, BreakerState state,
                     Duration pause) {
  ScopeBreaker one;
  one.key = fmt::format("{}|RTX 4090|DC-{}", scope, place);
  one.state = state;
  one.since = story.snapshot.db_now;
  one.pause = pause;
  one.reason = "of " + scope;
  return one;
}

int room(BreakerVerdict& verdict, int where) {
  int count = 0;
  for (; verdict.places.has_room(Story::place(where)) && count < 100; ++count)
    verdict.places.take(Story::place(where));
  return count;
}

TEST(PlacePermits, AreThoseOfTheFaultThatEndsLast) {
  Story story;
  const auto told = [&](Duration host, Duration network) {
    story.snapshot.breaker.scopes = {breaker(story, "host", 0, kOpen, host),
                                     breaker(story, "network", 0, kOpen, network)};
    const auto gates = story.judge().places.gates();
    EXPECT_EQ(gates.size(), 1U);
    EXPECT_EQ(gates.front().opens_in, std::max(host, network));
    return gates.front().reason;
  };
  EXPECT_EQ(told(300s, 200s), "host faults on RTX 4090 in DC-0: open: of host");
  EXPECT_EQ(told(200s, 300s), "network faults on RTX 4090 in DC-0: open: of network");
  EXPECT_EQ(told(200s, 200s), "host faults on RTX 4090 in DC-0: open: of host");
}

TEST(PlacePermits, LetNoCanaryOfOneFaultIntoAnother) {
  for (const bool open_first : {true, false}) {
    Story story;
    story.snapshot.breaker.scopes = {breaker(story, "host", 0, open_first ? kOpen : kHalf, 300s),
                                     breaker(story, "network", 0, open_first ? kHalf : kOpen, 300s)};
    BreakerVerdict verdict = story.judge();
    EXPECT_EQ(room(verdict, 0), 0);
    EXPECT_FALSE(verdict.places.is_probe(Story::place(0)));
    ASSERT_EQ(verdict.places.gates().size(), 1U);
    EXPECT_NE(verdict.places.gates().front().reason.find(": open: "), std::string::npos);
  }
}

TEST(PlacePermits, SayWhatAHalfOpenPlaceWaitsFor) {
  Story story;
  story.snapshot.breaker.scopes = {breaker(story, "host", 0, kHalf, 300s)};
  story.snapshot.breaker.scopes.front().canary_successes = 1;
  const auto told = [&] { return story.judge().places.gates().front().reason; };
  const std::string place = "host faults on RTX 4090 in DC-0: half open: ";
  EXPECT_EQ(told(), place + "one canary at a time, 1 of 2 came up");
  EXPECT_FALSE(story.judge().places.gates().front().opens_in);
  story.ghosts = 1;
  EXPECT_EQ(told(), place + "waiting for the canary there, 1 of 2 came up");
  story.ghosts = 0;
  story.under_way(0);
  EXPECT_EQ(told(), place + "waiting for the canary there, 1 of 2 came up");
}

TEST(PlacePermits, TakeForACanaryWhoWasAskedForSinceThePlaceOpened) {
  Story story;
  story.snapshot.breaker.scopes = {breaker(story, "host", 0, kHalf, 300s)};
  const auto lets_through = [&](Duration asked_ago, WorkerStatus status = WorkerStatus::spawning) {
    Worker worker;
    worker.id = make_worker_id("default", story.snapshot.db_now - asked_ago, 7);
    worker.placement = Story::place(0);
    worker.status = status;
    story.snapshot.workers = {worker};
    BreakerVerdict verdict = story.judge();
    return room(verdict, 0) == 1;
  };
  EXPECT_FALSE(lets_through(0s));
  EXPECT_FALSE(lets_through(300s));  // the second in which it opened
  EXPECT_TRUE(lets_through(301s));
  EXPECT_TRUE(lets_through(0s, WorkerStatus::active));
  EXPECT_TRUE(lets_through(0s, WorkerStatus::terminating));
}

TEST(PlacePermits, CountUnprovenPodsAndGiveCreditWhereTheyAre) {
  Story story;
  Worker& worker = story.under_way(0);
  const auto rooms = [&] {
    BreakerVerdict verdict = story.judge();
    const int first = room(verdict, 0), second = room(verdict, 1);
    return std::pair{first, second};
  };
  EXPECT_EQ(rooms(), (std::pair{1, 2}));
  worker.status = WorkerStatus::active;
  EXPECT_EQ(rooms(), (std::pair{2, 2}));  // not proven
  worker.proven = true;
  EXPECT_EQ(rooms(), (std::pair{4, 2}));
  worker.script_hash = "s0";
  EXPECT_EQ(rooms(), (std::pair{2, 2}));
  worker.script_hash = story.settings.script_hash;
  worker.status = WorkerStatus::terminating;
  EXPECT_EQ(rooms(), (std::pair{2, 2}));
  for (int i = 0; i < 3; ++i) story.under_way(1);  // more than may be
  EXPECT_EQ(rooms(), (std::pair{2, 0}));
}

TEST(PlacePermits, HoldNoPlaceBackWhereItsBreakerHasClosed) {
  Story story;
  story.snapshot.breaker.scopes = {breaker(story, "host", 0, kClosed, 0s)};
  BreakerVerdict verdict = story.judge();
  EXPECT_TRUE(verdict.places.gates().empty());
  EXPECT_EQ(room(verdict, 0), 2);
}

TEST(PlacePermits, ShowAShutPlaceThatNoCandidateNames) {
  Story story(1);
  story.snapshot.breaker.scopes = {breaker(story, "host", 8, kOpen, 300s)};
  const BreakerVerdict verdict = story.judge();
  ASSERT_EQ(verdict.places.gates().size(), 1U);
  EXPECT_FALSE(verdict.places.has_room(Story::place(8)));
  EXPECT_TRUE(verdict.places.has_room(Story::place(0)));
}

TEST(PlacePermits, NameTheSoonestOfThoseThatAreShutAndNoneWithoutATime) {
  Story story(3);
  story.snapshot.breaker.scopes = {breaker(story, "host", 0, kOpen, 300s),
                                   breaker(story, "network", 1, kHalf, 300s),
                                   breaker(story, "placement", 2, kOpen, 200s)};
  story.under_way(1);
  auto none = story.judge().places.why_none(story.offers);
  ASSERT_TRUE(none);
  EXPECT_EQ(
      none->reason,
      "no candidate is left: every place is held back by its own breaker or by slow start; the soonest to be "
      "tried again is RTX 4090 in DC-2");
  EXPECT_EQ(none->opens_in, Duration(200s));
  none = story.judge().places.why_none({story.offers[1]});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->name, "places");
  EXPECT_FALSE(none->opens_in);
  // Shut and full ones together: a breaker holds back, not slow start alone.
  Story mixed(2);
  mixed.snapshot.breaker.scopes = {breaker(mixed, "host", 0, kOpen, 300s)};
  mixed.under_way(1);
  mixed.under_way(1);
  for (const bool turned : {false, true}) {
    if (turned) std::swap(mixed.offers[0], mixed.offers[1]);
    none = mixed.judge().places.why_none(mixed.offers);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->name, "places");
    EXPECT_EQ(none->opens_in, Duration(300s));
  }
}

TEST(Place, KeepsTheReasonOfItsStateAndForgetsCanaries) {
  Story story;
  story.snapshot.breaker.scopes = {breaker(story, "host", 0, kOpen, 120s)};
  story.snapshot.breaker.scopes.front().canary_successes = 1;
  const auto now = [&] { return story.judge().state.scopes.front(); };
  EXPECT_EQ(now().reason, "of host");
  story.pass(120s);
  EXPECT_EQ(story.judge().news, "host faults on RTX 4090 in DC-0: open -> half_open: paused for 2m 0s");
  EXPECT_EQ(now().reason, "paused for 2m 0s");
  EXPECT_EQ(now().canary_successes, 0);
  EXPECT_EQ(now().since, story.snapshot.db_now);
  Story failed = story;
  failed.fail(0);
  EXPECT_EQ(failed.judge().state.scopes.front().reason, "the canary failed: pod_error");
  story.succeed(0, 2);
  EXPECT_EQ(now().reason, "2 canaries came up");
  EXPECT_EQ(now().pause, Duration{0});
  EXPECT_EQ(now().canary_successes, 0);
}

TEST(Place, ExplainsItsFailuresOfBeforeAndNoSuccess) {
  Story story;
  story.fail(0);
  StartOutcome& outcome = story.snapshot.outcomes.front();
  Scopes scopes;
  scopes.all = {breaker(story, "host", 0, kOpen, 300s)};
  const auto explained = [&] {
    const Evidence evidence = collect_evidence(story.snapshot, story.settings);
    return scopes.explain(evidence.starts.front());
  };
  EXPECT_TRUE(explained());
  outcome.success = true;
  EXPECT_FALSE(explained());
  outcome.success = false;
  outcome.cause = FailureCause::provision_timeout;  // of another class
  EXPECT_FALSE(explained());
  outcome.cause = FailureCause::pod_error;
  outcome.placement = Story::place(1);
  EXPECT_FALSE(explained());
}

TEST(Place, IsOpenedInItsOrderAndOnce) {
  const Evidence evidence;
  const auto keys = [&](Scopes& scopes, const std::string& data_center) {
    open_scope(scopes, {FailureScope::host, {"gpu", data_center}}, "why", evidence, 1, Settings{});
    std::string all;
    for (const ScopeBreaker& scope : scopes.all) {
      EXPECT_EQ(scope.state, kOpen);
      all += scope.key.substr(9);
    }
    return all;
  };
  Scopes scopes;
  EXPECT_EQ(keys(scopes, "b"), "b");
  EXPECT_EQ(keys(scopes, "c"), "bc");
  EXPECT_EQ(keys(scopes, "a"), "abc");
  scopes.all[1].state = kClosed;
  EXPECT_EQ(keys(scopes, "b"), "abc");
  EXPECT_EQ(scopes.newly_open.size(), 4U);
  EXPECT_EQ(keys(scopes, "b"), "abc");
  EXPECT_EQ(scopes.newly_open.size(), 4U);  // it was open
}

TEST(Place, KnowsNoNewFaultInWhatAnotherPlaceSurvivedInTheMiddleOfTheEvidence) {
  Story story;
  story.succeed(2, 2);
  story.fail(1, 1, FailureCause::pod_error, "x");
  story.succeed(1);
  story.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(story.state(0), kClosed);
}

TEST(Place, IsNeverShutForFaultsOfTheScript) {
  Story story;
  story.succeed(1, 3);
  story.fail(0, 5, FailureCause::start_failed, "x");
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kOpen);
  EXPECT_TRUE(verdict.state.scopes.empty());
  EXPECT_EQ(verdict.news.find("faults on"), std::string::npos) << verdict.news;
}

TEST(Place, SaysWhyItOpens) {
  Story same;
  same.succeed(1, 3);
  same.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(same.judge().state.scopes.front().reason,
            "3 starts there in a row failed in the same new way: pod_error");
  Story more;
  more.succeed(1, 3);
  more.succeed(0);
  more.fail(0, 5);
  EXPECT_EQ(more.judge().state.scopes.front().reason,
            "5 of 6 starts there failed (CUSUM 6.9 of 6.9, posterior 55 %), newest: pod_error");
}

TEST(Pause, OfAPlaceIsSpreadOverTheWholeFifth) {
  Evidence evidence;
  Duration least{1h}, most{0};
  for (std::uint64_t random = 0; random < 20'000; ++random) {
    Scopes scopes;
    open_scope(scopes, {FailureScope::host, {"gpu", "dc"}}, "why", evidence, random, Settings{});
    least = std::min(least, scopes.all.front().pause);
    most = std::max(most, scopes.all.front().pause);
  }
  EXPECT_EQ(least, Duration(96s));
  EXPECT_EQ(most, Duration(144s));
}

TEST(Pause, IsNeverLongerThanTheLongestAndDoublesFromTheFirst) {
  Settings settings;
  EXPECT_EQ(breaker_pause(100s, 0.5, settings), Duration(100s));
  EXPECT_EQ(breaker_pause(100s, -1, settings), Duration(80s));
  EXPECT_EQ(breaker_pause(100s, 2, settings), Duration(120s));
  EXPECT_EQ(breaker_pause(3600s, 1, settings), Duration(3600s));
  EXPECT_EQ(next_pause(0s, settings), Duration(240s));
  EXPECT_EQ(next_pause(200s, settings), Duration(400s));
  settings.breaker_probe_max = 60s;  // shorter than the first: the first stays
  EXPECT_EQ(breaker_pause(120s, 1, settings), Duration(120s));
}

TEST(Place, OpensInWhatIsLeftOfItsPause) {
  ScopeBreaker scope;
  const WallTime now{1000h};
  scope.pause = 100s;
  scope.since = now - 30s;
  EXPECT_EQ(opens_in(scope, now), Duration(70s));
  scope.since = now - 101s;
  EXPECT_EQ(opens_in(scope, now), Duration(0s));
  scope.since = now + 30s;
  EXPECT_EQ(opens_in(scope, now), Duration(100s));
}

}  // namespace
}  // namespace gpuwarden::policy
