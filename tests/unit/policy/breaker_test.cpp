#include "policy/breaker.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

constexpr double kNoJitter = 0.5;

std::vector<StartOutcome> starts(std::string_view newest_first, Duration age = 10s) {
  std::vector<StartOutcome> result;
  for (const char c : newest_first) {
    StartOutcome outcome;
    outcome.success = c == '+';
    outcome.cause = c == 'c' ? FailureCause::no_capacity : FailureCause::start_failed;
    outcome.generation = 1;
    outcome.age = age;
    result.push_back(outcome);
    age += 1s;
  }
  return result;
}

std::optional<std::string> opens(std::string_view newest_first, Duration age = 10s) {
  const Settings settings;
  return reason_to_open(tally(starts(newest_first, age), BreakerMemory{}, settings), settings);
}

TEST(Breaker, OpensWhenTheFailureRateIsReachedAndNotBelow) {
  EXPECT_FALSE(opens("----").has_value());
  EXPECT_TRUE(opens("-----").has_value());
  EXPECT_TRUE(opens("+----").has_value());  // 4 of 5 = 0.8
  EXPECT_FALSE(opens("+---+").has_value());
  EXPECT_FALSE(opens("").has_value());
}

TEST(Breaker, ForgetsWhatIsOlderThanTheWindow) {
  EXPECT_TRUE(opens("+----", 30min - 4s).has_value());
  EXPECT_FALSE(opens("+----", 30min - 3s).has_value());
}

TEST(Breaker, OpensByARowOfFailuresHoweverSlowlyTheyComeIn) {
  // Two at a time, each ending by a deadline of half an hour: never five in the window.
  const Settings settings;
  std::vector<StartOutcome> outcomes;
  for (int i = 0; i < 5; ++i) {
    StartOutcome outcome = starts("-", 30min * (i / 2)).front();
    outcomes.push_back(outcome);
    const bool open = reason_to_open(tally(outcomes, BreakerMemory{}, settings), settings).has_value();
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
  EXPECT_EQ(tally(outcomes, BreakerMemory{}, settings).failures, 0);
  for (StartOutcome& outcome : outcomes) outcome.script_hash = "new";
  EXPECT_EQ(tally(outcomes, BreakerMemory{}, settings).failures, 6);
  BreakerMemory later;
  later.generation = 2;
  EXPECT_EQ(tally(outcomes, later, settings).failures, 0);
}

TEST(Breaker, OpensAtTheSecondFailureThatMustRepeat) {
  const Settings settings;
  for (const FailureCause cause : {FailureCause::unauthorized, FailureCause::invalid_request,
                                   FailureCause::ssh_auth_failed, FailureCause::insufficient_balance}) {
    auto outcomes = starts("-");
    outcomes[0].cause = cause;
    EXPECT_FALSE(reason_to_open(tally(outcomes, BreakerMemory{}, settings), settings).has_value());
    outcomes.push_back(outcomes[0]);
    EXPECT_TRUE(reason_to_open(tally(outcomes, BreakerMemory{}, settings), settings).has_value());
    outcomes[1].cause = FailureCause::start_failed;
    EXPECT_FALSE(reason_to_open(tally(outcomes, BreakerMemory{}, settings), settings).has_value());
  }
  auto parted = starts("-+-");
  parted[0].cause = parted[2].cause = FailureCause::invalid_request;
  EXPECT_FALSE(reason_to_open(tally(parted, BreakerMemory{}, settings), settings).has_value());
}

TEST(Breaker, SortsOutcomesThatComeInAnotherOrder) {
  auto outcomes = starts("++++-----");
  std::reverse(outcomes.begin(), outcomes.end());
  EXPECT_EQ(tally(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 0);
}

TEST(Breaker, IsNotCalmedByPodsThatStartedBeforeTheFaultAndSucceedAfterIt) {
  const auto started = [](int second) {
    return WorkerId(fmt::format("gpu-default-202611240000{:02d}-0000000a", second));
  };
  auto outcomes = starts("+-+-+-+--");  // by when they ended
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    outcomes[i].worker = started(outcomes[i].success ? 10 : 30 + static_cast<int>(i));
  EXPECT_EQ(tally(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 5);
  for (StartOutcome& outcome : outcomes) {
    if (outcome.success) outcome.worker = started(50);
  }
  EXPECT_EQ(tally(outcomes, BreakerMemory{}, Settings{}).failures_in_a_row, 0);
}

BreakerInput input_of(BreakerMemory kept, std::string_view outcomes = "") {
  BreakerInput input;
  auto list = starts(outcomes);
  for (StartOutcome& outcome : list) outcome.generation = kept.generation;
  input.tally = tally(list, kept, Settings{});
  input.kept = std::move(kept);
  input.jitter = kNoJitter;
  return input;
}

BreakerMemory open_for(Duration age, Duration pause = 120s) {
  BreakerMemory memory;
  memory.state = BreakerState::open;
  memory.generation = 2;
  memory.pause = pause;
  memory.state_age = age;
  return memory;
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

TEST(SlowStart, DoublesWithEverySuccessAndStartsOverAfterTwoFailuresInARow) {
  EXPECT_EQ(unproven_limit(0), 2);
  EXPECT_EQ(unproven_limit(1), 4);
  EXPECT_EQ(unproven_limit(3), 16);
  EXPECT_GT(unproven_limit(1'000'000), 100'000);
  const auto slots = [](std::string_view outcomes, int unproven, int alive) {
    const BreakerInput input = input_of(BreakerMemory{}, outcomes);
    return permit(input.kept, input, unproven, alive, Settings{}).slots;
  };
  EXPECT_EQ(slots("", 0, 0), 2);
  EXPECT_EQ(slots("", 2, 0), 0);
  EXPECT_EQ(slots("", 5, 0), 0);
  EXPECT_EQ(slots("+", 1, 0), 3);
  EXPECT_EQ(slots("+-+-", 0, 0), 7);
  EXPECT_EQ(slots("--++", 0, 0), 2);
  EXPECT_EQ(slots("+--++", 0, 0), 4);
  EXPECT_EQ(slots("", 0, 1), 4);     // workers that live are successes, however long ago
  EXPECT_EQ(slots("--", 0, 20), 2);  // but not when starts fail now
}

TEST(SlowStart, PutsNoMoreAtStakeThanSevenPodsHoweverHealthyTheFleetWas) {
  const auto slots = [](std::string_view outcomes, int unproven) {
    const BreakerInput input = input_of(BreakerMemory{}, outcomes);
    return permit(input.kept, input, unproven, 50, Settings{}).slots;
  };
  EXPECT_EQ(most_at_stake(Settings{}), 7);
  EXPECT_EQ(slots("++++++++++", 0), 7);
  EXPECT_EQ(slots("++++++++++", 5), 2);
  EXPECT_EQ(slots("-+++++++++", 5), 1);  // what failed is at stake no longer, it is lost
  EXPECT_EQ(slots("-+++++++++", 6), 0);
}

TEST(SlowStart, BeginsAnewInAWholeNewGeneration) {
  BreakerInput input = input_of(BreakerMemory{}, "++++");
  BreakerMemory state = input.kept;
  ++state.generation;
  EXPECT_EQ(permit(state, input, 0, 4, Settings{}).slots, 2);
}

/// Everything that starts fails after a while; the daemon goes on by its own decisions.
struct Failing {
  World world;
  int spawned{0}, concurrently{0};
  bool open{false};
  std::set<WorkerId> good;  ///< started before the fault came: they succeed
  Duration good_starts_in{5min};

  explicit Failing(int demand, Duration lives) : lives_(lives) {
    world.settings.max_active = demand;
    world.settings.max_spawns_per_minute = 1000;
    world.snapshot.queue.queued = demand;
  }
  void run(Duration duration) {
    for (Duration passed{0}; passed < duration; passed += 5s) step();
  }

 private:
  void step() {
    world.pass(5s);
    world.beat_all();
    for (Worker& worker : world.snapshot.workers) {
      if (worker.status != WorkerStatus::spawning || !good.contains(worker.id) || worker.age < good_starts_in)
        continue;
      worker.status = WorkerStatus::active;
      worker.heartbeat_age = 0s;
      world.outcome(true, {}, 0s);
      world.snapshot.outcomes.back().worker = worker.id;
    }
    std::erase_if(world.snapshot.workers, [&](const Worker& worker) {
      if (worker.age < lives_ || worker.status != WorkerStatus::spawning || good.contains(worker.id))
        return false;
      world.outcome(false);
      world.snapshot.outcomes.back().worker = worker.id;
      world.snapshot.outcomes.back().generation = worker.generation;
      world.snapshot.outcomes.back().age = 0s;
      return true;
    });
    const Plan plan = world.tick();
    for (const SaveBreaker& save : actions<SaveBreaker>(plan)) {
      world.snapshot.breaker = save.memory;
      open = open || save.memory.state == BreakerState::open;
    }
    for (const SpawnWorker& spawn : actions<SpawnWorker>(plan)) {
      Worker worker;
      worker.id = spawn.worker;
      worker.generation = spawn.generation;
      worker.canary = spawn.canary;
      worker.script_hash = world.settings.script_hash;
      worker.phase = Phase::awaiting_heartbeat;
      worker.pod = PodId("gone-" + spawn.worker.str());
      world.snapshot.workers.push_back(worker);
      if (!open) ++spawned;
    }
  }
  Duration lives_;
};

class Waste : public testing::TestWithParam<int> {};
TEST_P(Waste, IsAtMostSevenPodsBeforeItOpens) {
  for (const Duration lives : {Duration(5s), Duration(45s), Duration(10min), Duration(29min)}) {
    Failing fleet(GetParam(), lives);
    fleet.world.settings.list_lag = 24h;  // the pods are not modelled here
    fleet.run(3h);
    EXPECT_TRUE(fleet.open) << format_duration(lives);
    EXPECT_LE(fleet.spawned, 7) << format_duration(lives);
  }
}
INSTANTIATE_TEST_SUITE_P(AtAnyDemand, Waste, testing::Values(1, 2, 4, 10, 100));

TEST_P(Waste, IsAtMostSevenPodsAfterAHealthyHistoryToo) {
  for (const Duration lives : {Duration(5s), Duration(45s), Duration(10min), Duration(29min)}) {
    Failing fleet(GetParam(), lives);
    World& world = fleet.world;
    world.settings.list_lag = 24h;  // the pods are not modelled here
    world.settings.task_stuck_timeout = 1000h;
    world.settings.max_active = GetParam() + 12;
    for (int i = 0; i < 12; ++i) world.busy();
    for (int i = 0; i < 40; ++i) world.outcome(true, {}, 10s * i);
    fleet.run(3h);
    EXPECT_TRUE(fleet.open) << format_duration(lives);
    EXPECT_LE(fleet.spawned, 7) << format_duration(lives);
  }
}

TEST_P(Waste, IsAtMostSevenPodsWhileOlderStartsStillSucceed) {
  for (const Duration lives : {Duration(5s), Duration(45s), Duration(10min)}) {
    Failing fleet(GetParam() + 10, lives);
    World& world = fleet.world;
    world.settings.list_lag = 24h;  // the pods are not modelled here
    world.settings.idle_timeout = world.settings.overcapacity_idle_timeout = 24h;
    for (int i = 0; i < 40; ++i) world.outcome(true, {}, 10s * i);
    for (int i = 0; i < 7; ++i)
      fleet.good.insert(world.spawning(Phase::awaiting_heartbeat, 40s * i, PodStatus::running).id);
    world.snapshot.db_now += 10min;  // the names of what is spawned now say so
    fleet.run(3h);
    EXPECT_TRUE(fleet.open) << format_duration(lives);
    EXPECT_LE(fleet.spawned, 7) << format_duration(lives);
  }
}

TEST(Growth, OfAHealthyFleetToTenWorkersTakesThreeRoundsOfStarts) {
  World world;
  world.snapshot.queue.queued = 10;
  constexpr Duration kStart = 60s;
  Duration passed{0};
  const auto active = [&] {
    return std::count_if(world.snapshot.workers.begin(), world.snapshot.workers.end(),
                         [](const Worker& worker) { return worker.status == WorkerStatus::active; });
  };
  for (; active() < 10 && passed < 1h; passed += 5s) {
    for (const SpawnWorker& spawn : actions<SpawnWorker>(world.tick())) {
      Worker& worker = world.spawning(Phase::awaiting_heartbeat, 0s, PodStatus::running);
      world.pods.back().name = spawn.worker.str();
      worker.id = spawn.worker;
      worker.generation = spawn.generation;
    }
    world.pass(5s);
    world.beat_all();
    for (Worker& worker : world.snapshot.workers) {
      if (worker.status != WorkerStatus::spawning || worker.age < kStart) continue;
      worker.status = WorkerStatus::active;
      worker.proven = true;
      worker.heartbeat_age = 0s;
      world.outcome(true, {}, 0s);
    }
  }
  EXPECT_LE(passed, kStart * 3 + 15s);
}

TEST(HalfOpen, SendsNoSecondCanaryWhileItsStateOrItsRowAreNotWrittenYet) {
  World world;
  world.snapshot.queue.queued = 5;
  world.snapshot.breaker = open_for(120s);
  world.snapshot.breaker.script_hash = world.settings.script_hash;
  const auto spawns = actions<SpawnWorker>(world.tick());
  ASSERT_EQ(spawns.size(), 1U);
  world.in_flight = {spawns.front().worker};  // the row is not committed yet
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(actions<SpawnWorker>(world.run(5s)).empty());
  Worker& canary = world.spawning();
  canary.id = spawns.front().worker;
  world.pods.back().name = canary.id.str();
  canary.canary = true;
  canary.generation = spawns.front().generation;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(actions<SpawnWorker>(world.run(5s)).empty());
  world.in_flight.clear();  // saving the breaker's state keeps failing
  for (int i = 0; i < 5; ++i) {
    const Plan plan = world.run(5s);
    EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
    EXPECT_EQ(actions<SaveBreaker>(plan).size(), 1U);
  }
}

TEST(HalfOpen, SendsNeverMoreThanOneCanary) {
  Failing fleet(50, 45s);
  fleet.world.settings.list_lag = 24h;
  fleet.run(10min);
  ASSERT_TRUE(fleet.open);
  for (int i = 0; i < 2000; ++i) {
    fleet.run(5s);
    const auto canaries =
        std::count_if(fleet.world.snapshot.workers.begin(), fleet.world.snapshot.workers.end(),
                      [](const Worker& worker) { return worker.canary; });
    ASSERT_LE(canaries, 1);
    ASSERT_LE(fleet.world.snapshot.workers.size(), 1U);
  }
  EXPECT_EQ(fleet.world.snapshot.breaker.pause, Duration(3600s));
}

}  // namespace
}  // namespace gpuwarden::policy
