#include "policy/observer.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(LateHeartbeats, AreOneIntervalBeforeTheTimeOutButNotBeforeItsHalf) {
  Settings settings;
  EXPECT_EQ(late_after(settings), Duration(100s));
  settings.heartbeat_timeout = 40s;
  EXPECT_EQ(late_after(settings), Duration(20s));
  settings.heartbeat_timeout = 30s;
  EXPECT_EQ(late_after(settings), Duration(15s));
}

TEST(Watched, AreActiveWorkersAndThoseThatDrainWithATask) {
  Worker worker;
  worker.status = WorkerStatus::active;
  EXPECT_TRUE(is_watched(worker));
  worker.status = WorkerStatus::terminating;
  worker.phase = Phase::draining;
  EXPECT_FALSE(is_watched(worker));
  worker.tasks = {TaskId("t")};
  EXPECT_TRUE(is_watched(worker));
  worker.phase = Phase::deleting;
  EXPECT_FALSE(is_watched(worker));
  worker.phase = Phase::draining;
  worker.status = WorkerStatus::error;
  EXPECT_FALSE(is_watched(worker));
  worker.status = WorkerStatus::spawning;
  EXPECT_FALSE(is_watched(worker));
}

TEST(Silence, CountsFromActivationWhereNoHeartbeatIsKnown) {
  Worker worker;
  worker.phase_age = 7s;
  EXPECT_EQ(silence(worker), Duration(7s));
  worker.heartbeat_age = 3s;
  EXPECT_EQ(silence(worker), Duration(3s));
}

/// One worker, dead for long by the database and by SSH, and a daemon that has just begun to look.
struct Newcomer : testing::Test {
  World world;
  Newcomer() {
    world.settings.max_active = 1;
    *world.busy().heartbeat_age = 1h;
  }
  std::string look() {
    world.shell_probe[world.snapshot.workers.front().id] = false;
    const Plan plan = world.run(5s, false);
    failed = !actions<FailWorker>(plan).empty();
    const Gate* found = gate(plan, "observer");
    return found == nullptr ? std::string() : found->reason;
  }
  bool failed{false};
};

TEST_F(Newcomer, SaysWhyItDoesNotJudgeYet) {
  const std::string left = "; 1 silent worker is left alone";
  EXPECT_EQ(look(), "1 complete reads of the database in a row, 3 are needed to judge" + left);
  EXPECT_EQ(look(), "2 complete reads of the database in a row, 3 are needed to judge" + left);
  for (int watched = 10; watched < 120; watched += 5) EXPECT_TRUE(look().starts_with("we have watched for "));
  EXPECT_EQ(look(), "") << "it has watched for the whole time-out";
  EXPECT_FALSE(failed);  // not longer than it, though
  look();
  EXPECT_TRUE(failed);
}

TEST_F(Newcomer, WaitsForItsBeaconThrice) {
  const std::string left = "; 1 silent worker is left alone";
  world.beacon_returned = std::nullopt;
  for (int i = 0; i < 30; ++i) look();
  EXPECT_EQ(look(), "it is not known yet whether what we write arrives in the database" + left);
  world.beacon_returned = false;
  EXPECT_EQ(look(),
            "what we left in the database did not come back: our writes do not arrive, or we read an old "
            "copy" +
                left);
  world.beacon_returned = true;
  EXPECT_EQ(look(),
            "what we left in the database has come back 1 times in a row, 3 are needed to judge" + left);
  EXPECT_EQ(look(),
            "what we left in the database has come back 2 times in a row, 3 are needed to judge" + left);
  EXPECT_EQ(look(), "");
  EXPECT_TRUE(failed);
  for (int i = 0; i < 10; ++i) look();
  EXPECT_EQ(world.memory.beacons_returned, 3);
}

TEST(Outage, IsMoreThanAHeartbeatAndAPollBetweenTwoReads) {
  for (const Duration gap : {25s - 0ms, 25s + 1ms}) {
    World world;
    world.idle();
    world.settings.min_active = 1;
    world.settle();
    const MonoTime before = world.memory.timers_restarted;
    world.pass(gap);
    world.beat_all();
    world.tick();
    const bool outage = gap > Duration(25s);
    EXPECT_EQ(world.memory.recovered_at.has_value(), outage);
    EXPECT_EQ(world.memory.timers_restarted, outage ? world.now : before);
    EXPECT_EQ(world.memory.complete_snapshots > 1, !outage);
  }
}

TEST(Outage, MakesWhatWaitedWaitAnew) {
  World world;
  world.settings.max_active = 0;
  world.snapshot.queue.queued = 1;
  world.run(60s);
  const auto since = world.memory.queued_since;
  ASSERT_TRUE(since);
  world.pass(60s);
  world.tick();
  EXPECT_EQ(world.memory.queued_since, world.now);
}

TEST(Leadership, ThatIsNewRestartsTheTimersAndTheSameOneDoesNot) {
  World world;
  world.tick();
  const MonoTime first = world.now;
  world.run(20s);
  EXPECT_EQ(world.memory.timers_restarted, first);
  world.snapshot.leader.epoch = 8;
  world.run(5s);
  const MonoTime second = world.now;
  EXPECT_EQ(world.memory.timers_restarted, second);
  world.run(20s);
  EXPECT_EQ(world.memory.timers_restarted, second);
}

/// Three workers, two of which have been silent for so long, when the third falls silent.
bool suspected(Duration silent_for) {
  World world;
  world.settings.max_active = 3;
  for (int i = 0; i < 3; ++i) world.busy();
  world.settle();
  world.beat_all();
  world.tick();
  bool mass = false;
  for (Duration passed{0}; passed < silent_for; passed += 5s) {
    world.pass(5s);
    // The third is heard until one late heartbeat before the end.
    if (passed + 5s <= silent_for - 105s) world.snapshot.workers[2].heartbeat_age = 0s;
    for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = true;
    mass = gate(world.tick(), "observer") != nullptr;
  }
  return mass;
}

TEST(MassSilence, IsOneThatBeganTogetherWithinTwoTimeOuts) {
  EXPECT_TRUE(suspected(200s));
  EXPECT_TRUE(suspected(340s));
  EXPECT_FALSE(suspected(345s));
}

TEST(MassSilence, IsToldInWordsAndLastsWhileSoManyAreSilent) {
  World world;
  world.settings.max_active = 4;
  for (int i = 0; i < 4; ++i) world.busy();
  world.settle();
  world.beat_all();
  world.tick();
  Plan plan = world.run(95s, false);
  EXPECT_FALSE(world.memory.mass_stale_since);
  plan = world.run(5s, false);  // 101 s old
  const auto began = world.memory.mass_stale_since;
  EXPECT_EQ(began, world.now);
  ASSERT_NE(gate(plan, "observer"), nullptr);
  EXPECT_EQ(gate(plan, "observer")->reason,
            "4 of 4 workers went silent together: the database or our view of it is suspected, not the "
            "workers");
  for (int i = 0; i < 100; ++i) {  // also when nobody fell silent newly
    for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = true;
    world.run(5s, false);
    ASSERT_EQ(world.memory.mass_stale_since, began) << i;
  }
  world.pass(5s);
  world.snapshot.workers[0].heartbeat_age = 1s;
  world.tick();
  EXPECT_EQ(world.memory.mass_stale_since, began);  // three are still enough
  world.pass(5s);
  world.snapshot.workers[1].heartbeat_age = 1s;
  world.tick();
  EXPECT_FALSE(world.memory.mass_stale_since);
  EXPECT_EQ(world.memory.recovered_at, world.now);
}

TEST(MassSilence, IsActedOnAtFiveTimeOutsAndNotBefore) {
  World world;
  world.settings.max_active = 10;
  for (int i = 0; i < 10; ++i) world.busy();
  world.settle();
  for (int i = 0; i < 300; ++i) {
    for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = false;
    const Plan plan = world.run(5s, false);
    if (actions<FailWorker>(plan).empty()) continue;
    EXPECT_EQ(world.now - *world.memory.mass_stale_since, Duration(600s));
    EXPECT_EQ(actions<FailWorker>(plan).size(), 2U);
    return;
  }
  ADD_FAILURE() << "nobody was replaced";
}

}  // namespace
}  // namespace gpuwarden::policy
