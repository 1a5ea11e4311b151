#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "breaker_starts.hpp"

namespace gpuwarden::policy {
namespace {

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

TEST(SlowStart, KeepsTheLastTwoForAnotherPlaceWhereThereAreSeveral) {
  const auto slots = [](int lost, int unproven) {
    BreakerInput input = input_of(BreakerMemory{}, "++++++++++");
    input.lost_in_a_row = lost;
    input.places = 2;
    return permit(input.kept, input, unproven, 50, Settings{}).slots;
  };
  EXPECT_EQ(slots(0, 0), 5);
  EXPECT_EQ(slots(0, 5), 0);
  EXPECT_EQ(slots(4, 1), 0);
  EXPECT_EQ(slots(5, 0), 2);  // all that one place may cost is lost
  EXPECT_EQ(slots(6, 0), 1);
  EXPECT_EQ(slots(7, 0), 1);
}

TEST(SlowStart, PutsNoMoreAtStakeWhereTheOperatorWantsAShareOfManyStarts) {
  Settings settings;
  for (const auto& [fewest, most] : {std::pair{1, 3}, {4, 6}, {5, 7}, {6, 7}, {1000, 7}}) {
    settings.min_workers_for_rate = fewest;
    EXPECT_EQ(most_at_stake(settings), most) << fewest;
  }
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
