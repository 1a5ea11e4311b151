#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "breaker_story.hpp"

namespace gpuwarden::policy {
namespace {

constexpr auto kOpen = BreakerState::open;
constexpr auto kHalf = BreakerState::half_open;
constexpr auto kClosed = BreakerState::closed;

TEST(Judge, LeavesToThePlaceWhatThePlaceExplains) {
  Story story;
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.succeed(2);
  story.fail(1, 4, FailureCause::start_failed);
  EXPECT_EQ(story.fleet(), kClosed);
  story.fail(1, 1, FailureCause::start_failed);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, BlamesTheOnePlaceWithoutWhichTheFleetIsWell) {
  Story story;
  story.succeed(1, 3);
  story.fail(1);  // now and then
  story.fail(0, 4);
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kClosed);
  ASSERT_EQ(verdict.state.scopes.size(), 1U);
  EXPECT_EQ(verdict.state.scopes.front().state, kOpen);
  EXPECT_EQ(verdict.state.scopes.front().key, "host|RTX 4090|DC-0");
  EXPECT_NE(verdict.news.find("host faults on RTX 4090 in DC-0: closed -> open: only there starts fail"),
            std::string::npos)
      << verdict.news;
  EXPECT_GT(verdict.permit.slots, 0);
}

TEST(Judge, BlamesNoPlaceWhenTheRestFailsToo) {
  Story story;
  story.succeed(1, 3);
  story.fail(1, 2);
  story.fail(0, 3);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, BlamesNoPlaceForTwoFailures) {
  Story story;
  story.succeed(1, 3);
  story.fail(1, 1, FailureCause::start_failed);
  story.fail(2, 1, FailureCause::start_failed);
  story.fail(1, 1, FailureCause::provision_timeout);
  story.fail(0, 2);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, BlamesNoPlaceWhereThereIsNoOther) {
  Story story(1);
  story.fail(0, 1, FailureCause::setup_failed);
  story.fail(0, 4);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, TakesThePlaceForTheFleetWhereThereIsNoOther) {
  Story story(1);
  story.succeed(0, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kOpen);
  EXPECT_TRUE(verdict.state.scopes.empty());
  Story same(1);  // two volumes in one data centre are one place
  same.offers.push_back(same.offers.front());
  same.offers.back().placement.volume_id = "v2";
  same.fail(0, 3, FailureCause::pod_error, "x");
  EXPECT_EQ(same.fleet(), kOpen);
}

TEST(Judge, OpensForEveryoneWhenNoPlaceIsLeft) {
  Story story(2);
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.fleet(), kClosed);
  story.succeed(1);
  story.fail(1, 3, FailureCause::provision_timeout, "y");
  EXPECT_EQ(story.fleet(), kOpen);
  EXPECT_EQ(story.snapshot.breaker.reason, "no place is left: each is held back by its own faults");
}

TEST(Judge, OpensForEveryoneWhenTwoPlacesOpenForOneClass) {
  Story story;
  story.succeed(2, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.succeed(2, 1);
  story.fail(1, 3, FailureCause::pod_error, "x");
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kOpen);
  EXPECT_NE(verdict.state.reason.find("host faults in 2 places at once: RTX 4090 in DC-0, RTX 4090 in DC-1"),
            std::string::npos)
      << verdict.state.reason;
}

TEST(Judge, StaysClosedWhenTwoPlacesOpenForDifferentClasses) {
  Story story;
  story.succeed(2, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.succeed(2, 2);
  story.fail(1, 3, FailureCause::provision_timeout, "y");
  ASSERT_EQ(story.state(1, "placement"), kOpen);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Judge, StaysClosedWhenAPlaceThatWasOpenBeforeFailsItsCanary) {
  Story story;
  story.succeed(2, 2);
  for (int i = 0; i < 2; ++i) {
    ScopeBreaker scope;
    scope.key = fmt::format("host|RTX 4090|DC-{}", i);
    scope.state = i == 0 ? kOpen : kHalf;
    scope.since = story.snapshot.db_now;
    scope.pause = 3600s;
    story.snapshot.breaker.scopes.push_back(scope);
  }
  story.fail(1);
  ASSERT_EQ(story.state(1), kOpen);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Judge, OpensWhenSevenStartsInARowFailWhereverTheyAre) {
  Story story;
  story.succeed(1, 5);
  for (int i = 0; i < 5; ++i) {
    story.fail(0);
    ASSERT_EQ(story.fleet(), kClosed);
  }
  ASSERT_EQ(story.state(0), kOpen);
  story.fail(1);
  EXPECT_EQ(story.fleet(), kClosed);
  story.fail(1);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, LosesNoMoreThanOnePlaceCostsWhenSevenPodsFailThere) {
  Story story;
  story.succeed(1, 5);
  story.fail(0, 7);
  EXPECT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.fleet(), kClosed);
}

TEST(Judge, KeepsPlacesThroughTheFleetsOwnStates) {
  Story story;
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.snapshot.breaker.scopes.front().pause = 3600s;
  story.fail(1, 5, FailureCause::start_failed);
  ASSERT_EQ(story.fleet(), kOpen);
  story.pass(150s);
  ASSERT_EQ(story.fleet(), kHalf);
  const BreakerVerdict half = story.judge();
  EXPECT_EQ(half.permit.slots, 1);
  EXPECT_FALSE(half.places.has_room(Story::place(0)));
  EXPECT_TRUE(half.places.has_room(Story::place(1)));
  story.succeed(1, 2);
  EXPECT_EQ(story.fleet(), kClosed);
  EXPECT_EQ(story.state(0), kOpen);
}

TEST(Judge, IsNotReopenedByACanaryWhosePlaceExplainsItsFailure) {
  Story story;
  story.fail(1, 5, FailureCause::start_failed);
  ASSERT_EQ(story.fleet(), kOpen);
  story.pass(150s);
  ASSERT_EQ(story.fleet(), kHalf);
  ScopeBreaker scope;
  scope.key = "host|RTX 4090|DC-0";
  scope.state = kHalf;
  scope.since = story.snapshot.db_now;
  scope.pause = 120s;
  story.snapshot.breaker.scopes = {scope};
  story.fail(0);
  EXPECT_EQ(story.state(0), kOpen);
  EXPECT_EQ(story.fleet(), kHalf);
  story.fail(1);
  EXPECT_EQ(story.fleet(), kOpen);
}

TEST(Judge, ForgetsEverythingWhenAnOperatorResetsIt) {
  Story story;
  story.succeed(2, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  story.fail(1, 5, FailureCause::start_failed);
  ASSERT_EQ(story.fleet(), kOpen);
  BreakerMemory& memory = story.snapshot.breaker;
  memory = BreakerMemory{};
  memory.generation = 9;
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state, memory);
  EXPECT_EQ(verdict.permit.gate, "slow_start");
  EXPECT_EQ(verdict.permit.slots, 2);
  EXPECT_TRUE(verdict.places.gates().empty());
}

TEST(Judge, HoldsTheLastStateOfPlacesTooWhileAnOperatorHoldsIt) {
  Story story;
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  story.snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "anna", "why", {}};
  story.pass(24h);
  story.fail(1, 9);
  const BreakerMemory before = story.snapshot.breaker;
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state, before);
  EXPECT_EQ(verdict.permit.slots, 0);
  EXPECT_EQ(verdict.permit.reason, "held by anna: why");
  EXPECT_TRUE(verdict.news.empty());
}

TEST(Judge, DropsThePlacesToWhenAnOperatorReleasesIt) {
  Story story;
  story.succeed(1, 2);
  story.fail(0, 3, FailureCause::pod_error, "x");
  ASSERT_EQ(story.state(0), kOpen);
  const auto generation = story.snapshot.breaker.generation;
  story.snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::release, "anna", "", {}};
  BreakerVerdict verdict = story.judge();
  EXPECT_TRUE(verdict.state.scopes.empty());
  EXPECT_EQ(verdict.state.state, kClosed);
  EXPECT_EQ(verdict.state.generation, generation + 1);
  EXPECT_TRUE(verdict.places.has_room(Story::place(0)));
  story.fail(0, 9, FailureCause::pod_error, "x");
  EXPECT_TRUE(story.judge().state.scopes.empty());
  story.snapshot.breaker_override.reset();
  EXPECT_EQ(story.state(0), kOpen);
}

TEST(Judge, TriesANewScriptAtOnce) {
  Story story;
  story.fail(1, 5, FailureCause::start_failed);
  ASSERT_EQ(story.fleet(), kOpen);
  story.settings.script_hash = "s2";
  const BreakerVerdict verdict = story.judge();
  EXPECT_EQ(verdict.state.state, kHalf);
  EXPECT_EQ(verdict.permit.slots, 1);
  EXPECT_TRUE(verdict.permit.canary);
}

TEST(Judge, GivesItsFigures) {
  Story story;
  for (int i = 0; i < 6; ++i) story.fail(i % 2, 1, FailureCause::start_failed);
  const BreakerVerdict open = story.judge();
  EXPECT_EQ(open.state.reason,
            "6 of 6 starts failed within 30m 0s (CUSUM 6.9 of 6.9, posterior 64 %), newest: start_failed");
  EXPECT_EQ(open.news, "closed -> open: " + open.state.reason);
  Story slow;
  slow.succeed(0, 20);
  slow.fail(0, 5, FailureCause::start_failed);
  EXPECT_EQ(slow.judge().state.reason,
            "far more starts fail than usual (CUSUM 6.9 of 6.9, posterior 20 %), newest: start_failed");
  Story same;
  same.fail(0, 3, FailureCause::start_failed, "abc");
  EXPECT_EQ(same.judge().state.reason, "3 starts in a row failed in the same new way: start_failed");
}

TEST(Judge, GivesTheOneLineCauseOfTheFailureThatDecides) {
  Story same;
  same.fail(0, 3, FailureCause::start_failed, "abc");
  same.snapshot.outcomes.front().summary = "The worker ended at once (exit code 2): no option --turbo";
  const BreakerVerdict open = same.judge();
  EXPECT_EQ(open.state.reason,
            "3 starts in a row failed in the same new way: start_failed: The worker ended at once (exit code "
            "2): no "
            "option --turbo");
  EXPECT_EQ(open.permit.reason, "open: " + open.state.reason);
  Story refused;
  refused.fail(0, 2, FailureCause::unauthorized);
  refused.snapshot.outcomes.front().summary = "access denied";
  EXPECT_EQ(refused.judge().state.reason,
            "failed twice, and the next try would fail the same way: unauthorized: access denied");
}

/// What a tick decides about the breaker and about new pods.
std::pair<std::vector<BreakerMemory>, std::vector<std::string>> decided(const fakes::World& world,
                                                                        Memory memory) {
  Observation seen;
  seen.snapshot = world.snapshot;
  seen.pods = world.pods;
  seen.offers = world.offers;
  const Decision decision = decide(seen, std::move(memory), world.settings, world.now, 77);
  std::vector<BreakerMemory> saved;
  for (const SaveBreaker& save : fakes::actions<SaveBreaker>(decision.plan)) saved.push_back(save.memory);
  std::vector<std::string> rest;
  for (const SpawnWorker& spawn : fakes::actions<SpawnWorker>(decision.plan))
    rest.push_back(fmt::format("{} {} {} {}", spawn.worker.str(), spawn.placement.key(), spawn.canary,
                               spawn.generation));
  for (const Gate& gate : decision.plan.gates)
    rest.push_back(fmt::format("{}: {} {}", gate.name, gate.reason, gate.opens_in.value_or(-1ms).count()));
  return {saved, rest};
}

TEST(Judge, DecidesTheSameAfterARestart) {
  // Random worlds, judged by a daemon that has run for hours and by one that has just started.
  int saves = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL;
    const auto draw = [&](std::uint64_t below) {
      state ^= state << 13U;
      state ^= state >> 7U;
      state ^= state << 17U;
      return state % below;
    };
    Story story;
    for (int i = 0; i < 20; ++i) {
      const int where = static_cast<int>(draw(3));
      if (draw(3) == 0) {
        story.succeed(where);
      } else {
        story.fail(where, 1, draw(2) == 0 ? FailureCause::pod_error : FailureCause::start_failed,
                   fmt::format("f{}", draw(2)));
      }
      if (draw(4) == 0) story.pass(1min * draw(10));
      if (i < 19) story.judge();
    }
    fakes::World world;
    world.settings.script_hash = "s1";
    world.snapshot = story.snapshot;
    world.snapshot.leader = {true, 7, "us"};
    world.snapshot.queue.queued = 4;
    world.offers = story.offers;
    const Snapshot before = world.snapshot;
    for (int i = 0; i < 10; ++i) world.run(5s);  // only its memory changes
    world.snapshot = before;
    Memory aged = world.memory;
    aged.recent_spawns.clear();
    const auto old = decided(world, std::move(aged));
    EXPECT_EQ(old, decided(world, Memory{})) << seed;
    saves += static_cast<int>(old.first.size());
  }
  EXPECT_GT(saves, 20);
}

TEST(Gates, ShowTheBreakerWhateverElseHoldsTheFleetBack) {
  const auto shows = [](auto&& change) {
    fakes::World world;
    world.snapshot.queue.queued = 3;
    world.snapshot.breaker.state = BreakerState::open;
    world.snapshot.breaker.pause = 120s;
    world.snapshot.breaker.script_hash = world.settings.script_hash;
    change(world);
    const Plan plan = world.tick();
    EXPECT_TRUE(fakes::actions<SpawnWorker>(plan).empty());
    return std::count_if(plan.gates.begin(), plan.gates.end(),
                         [](const Gate& gate) { return gate.name == "breaker"; });
  };
  EXPECT_EQ(shows([](fakes::World&) {}), 1);
  EXPECT_EQ(shows([](fakes::World& world) { world.snapshot.queue = {}; }), 1);
  EXPECT_EQ(shows([](fakes::World& world) { world.snapshot.switches.paused = true; }), 1);
  EXPECT_EQ(shows([](fakes::World& world) { world.memory.no_balance_until = world.now + 60s; }), 1);
  EXPECT_EQ(shows([](fakes::World& world) { world.list_complete = false; }), 1);
  EXPECT_EQ(shows([](fakes::World& world) { world.draining_all = true; }), 1);
}

TEST(Gates, ShowAShutPlaceAndSpawnElsewhere) {
  fakes::World world;
  world.offers = {{Story::place(0), StockLevel::high}, {Story::place(1), StockLevel::high}};
  ScopeBreaker scope;
  scope.key = "host|RTX 4090|DC-0";
  scope.state = BreakerState::open;
  scope.since = world.snapshot.db_now;
  scope.pause = 120s;
  world.snapshot.breaker.scopes = {scope};
  world.snapshot.queue.queued = 1;
  Plan plan = world.tick();
  auto spawns = fakes::actions<SpawnWorker>(plan);
  ASSERT_EQ(spawns.size(), 1U);
  EXPECT_EQ(spawns[0].placement.data_center, "DC-1");
  ASSERT_NE(fakes::gate(plan, "place"), nullptr);
  world.offers.pop_back();
  plan = world.tick();
  EXPECT_TRUE(fakes::actions<SpawnWorker>(plan).empty());
  ASSERT_NE(fakes::gate(plan, "places"), nullptr) << fakes::words(plan);
  EXPECT_EQ(fakes::gate(plan, "places")->opens_in, Duration(120s));
  world.pass(120s);
  plan = world.tick();
  spawns = fakes::actions<SpawnWorker>(plan);
  ASSERT_EQ(spawns.size(), 1U);
  EXPECT_FALSE(spawns[0].canary);
  EXPECT_TRUE(fakes::reason_of<SpawnWorker>(plan).starts_with("canary of RTX 4090 in DC-0: "));
  const auto saved = fakes::actions<SaveBreaker>(plan);
  ASSERT_EQ(saved.size(), 1U);
  EXPECT_TRUE(saved[0].places_only);
  EXPECT_EQ(fakes::reason_of<SaveBreaker>(plan),
            "host faults on RTX 4090 in DC-0: open -> half_open: paused for 2m 0s");
}

}  // namespace
}  // namespace gpuwarden::policy
