#include <set>

#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/worker_health.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

Signs silent_for(Duration silent) {
  Signs signs;
  signs.silent = signs.watched_silent = silent;
  return signs;
}

std::string told(const Signs& signs) {
  const HealthVerdict verdict = assess(signs, Settings{});
  const std::string life = verdict.life == Life::alive  ? "alive"
                           : verdict.life == Life::dead ? "dead"
                                                        : "unknown";
  return life + (verdict.wants_probe ? ", asks: " : ": ") + verdict.reason;
}

TEST(Assess, SaysWhatItMakesOfEverySign) {
  EXPECT_EQ(told(silent_for(100s)), "alive: heartbeats arrive");
  EXPECT_EQ(told(silent_for(110s)), "alive, asks: no heartbeat for 1m 50s: asking over SSH early");
  Signs signs = silent_for(200s);
  EXPECT_EQ(told(signs), "unknown, asks: no heartbeat for 3m 20s: asking over SSH");
  signs.watched_silent = 60s;
  EXPECT_EQ(told(signs), "unknown: no heartbeat for 3m 20s, but we have watched for 1m 0s only");
  signs.watched_silent = 110s;
  EXPECT_EQ(told(signs), "unknown, asks: no heartbeat for 3m 20s, but we have watched for 1m 50s only");
  signs.watched_silent = 200s;
  signs.process_lives = true;
  EXPECT_EQ(told(signs), "alive, asks: no heartbeat for 3m 20s, but the worker process lives (SSH)");
  signs.process_lives = false;
  EXPECT_EQ(told(signs), "dead: no heartbeat for 3m 20s and the worker process is gone (SSH)");
  signs.provider_says_gone = true;
  signs.provider_words = "its pod has exited";
  EXPECT_EQ(told(signs), "dead: no heartbeat for 3m 20s and its pod has exited");
  signs = silent_for(600s);
  signs.probes_unanswered = 300s;
  EXPECT_EQ(told(signs), "dead, asks: no heartbeat for 10m 0s and SSH unreachable for 5m 0s");
  signs.log_moved = 10s;
  EXPECT_EQ(told(signs),
            "unknown, asks: no heartbeat for 10m 0s and SSH unreachable for 5m 0s, but its log goes on");
}

/// Twenty active workers, ten of which fall silent, under a daemon that has watched long enough.
struct Half : testing::Test {
  World world;
  Half() {
    world.settings.max_active = 20;
    world.settings.task_stuck_timeout = 100h;
    for (int i = 0; i < 20; ++i) world.busy();
    world.settle();
    world.beat_all();
    world.tick();
  }
  Plan silent(Duration duration, std::size_t workers = 10) {
    Plan plan;
    for (Duration passed{0}; passed < duration; passed += 5s) {
      world.pass(5s);
      for (std::size_t i = workers; i < 20; ++i) world.snapshot.workers[i].heartbeat_age = 1s;
      plan = world.tick();
    }
    return plan;
  }
};

TEST_F(Half, AreAskedEightATickThoseFirstThatHaveWaitedLongest) {
  EXPECT_TRUE(actions<ProbeWorker>(silent(100s)).empty());
  const Plan first = silent(5s), second = silent(5s);
  EXPECT_EQ(actions<ProbeWorker>(first).size(), 8U) << words(first);
  ASSERT_EQ(actions<ProbeWorker>(second).size(), 2U) << words(second);
  std::set<WorkerId> asked;
  for (const Plan& plan : {first, second}) {
    for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) asked.insert(probe.worker);
  }
  EXPECT_EQ(asked.size(), 10U);
  EXPECT_TRUE(actions<ProbeWorker>(silent(5s)).empty());
  EXPECT_TRUE(actions<ProbeWorker>(silent(5s)).empty());
  EXPECT_EQ(actions<ProbeWorker>(silent(5s)).size(), 8U);  // one heartbeat interval after the first
}

TEST_F(Half, WithoutSshAreOnlyAskedWhereTheirLogIsReadToo) {
  for (std::size_t i = 0; i < 10; ++i) world.pods[i].ssh.reset();
  std::set<WorkerId> asked;
  for (int tick = 0; tick < 4; ++tick) {
    const Plan plan = silent(tick == 0 ? 105s : 5s);
    if (tick < 3) EXPECT_EQ(actions<ProbeWorker>(plan).size(), 3U) << tick << words(plan);
    for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) {
      EXPECT_TRUE(probe.read_log);
      asked.insert(probe.worker);
    }
  }
  EXPECT_EQ(asked.size(), 10U);
}

TEST_F(Half, AreNotAskedWhereAnActionRunsOrThePodIsMissingOrBearsAnotherName) {
  world.in_flight = {world.snapshot.workers[0].id};
  world.pods[1].name = "renamed";
  silent(100s);
  world.remove_pod(world.snapshot.workers[2].pod);
  const Plan plan = silent(5s);
  std::set<WorkerId> asked;
  for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) asked.insert(probe.worker);
  EXPECT_EQ(asked.size(), 7U) << words(plan);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(asked.contains(world.snapshot.workers[i].id));
}

TEST_F(Half, AreNotAskedWithoutACompleteList) {
  world.list_complete = false;
  EXPECT_TRUE(actions<ProbeWorker>(silent(110s)).empty());
  world.list_complete = true;
  EXPECT_EQ(actions<ProbeWorker>(silent(5s)).size(), 8U);
}

TEST_F(Half, AreReplacedLongestSilentFirstAndTheOthersWait) {
  silent(5s, 5);
  silent(120s, 10);
  for (std::size_t i = 0; i < 10; ++i) world.shell_probe[world.snapshot.workers[9 - i].id] = false;
  world.snapshot.workers[3].heartbeat_age = *world.snapshot.workers[3].heartbeat_age + 10s;
  world.memory.workers.at(world.snapshot.workers[3].id).last_heartbeat =
      world.snapshot.db_now - *world.snapshot.workers[3].heartbeat_age;
  const Plan plan = silent(5s);
  const auto failed = actions<FailWorker>(plan);
  ASSERT_EQ(failed.size(), 4U) << words(plan);  // a fifth of twenty
  EXPECT_EQ(failed[0].worker, world.snapshot.workers[3].id);
  EXPECT_EQ(failed[1].worker, world.snapshot.workers[0].id);
  EXPECT_EQ(failed[2].worker, world.snapshot.workers[1].id);
  EXPECT_EQ(failed[3].worker, world.snapshot.workers[2].id);
  const Gate* held = gate(plan, "replacement_rate");
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(held->reason, "6 more silent workers wait: at most 20 % of the fleet is replaced in 10 minutes");
  EXPECT_EQ(held->opens_in, Duration(600s));
  EXPECT_EQ(world.memory.replaced.size(), 4U);
}

TEST_F(Half, WaitForTheOldestReplacementToBeTenMinutesAgo) {
  world.memory.replaced = {{world.name(901), world.now - 300s},
                           {world.name(902), world.now - 200s},
                           {world.name(903), world.now - 100s},
                           {world.name(904), world.now - 50s}};
  silent(125s, 1);
  world.shell_probe[world.snapshot.workers[0].id] = false;
  Plan plan = silent(5s, 1);
  EXPECT_TRUE(actions<FailWorker>(plan).empty());
  const Gate* held = gate(plan, "replacement_rate");
  ASSERT_NE(held, nullptr) << words(plan);
  EXPECT_EQ(held->reason, "1 more silent worker waits: at most 20 % of the fleet is replaced in 10 minutes");
  EXPECT_EQ(held->opens_in, Duration(170s));
  for (Duration left = 165s; left > 0s; left -= 5s) {
    world.shell_probe[world.snapshot.workers[0].id] = false;
    plan = silent(5s, 1);
    ASSERT_NE(gate(plan, "replacement_rate"), nullptr);
    EXPECT_EQ(gate(plan, "replacement_rate")->opens_in, left);
  }
  world.shell_probe[world.snapshot.workers[0].id] = false;
  EXPECT_EQ(actions<FailWorker>(silent(5s, 1)).size(), 1U);
  EXPECT_FALSE(world.memory.replaced.contains(world.name(901)));
  EXPECT_TRUE(world.memory.replaced.contains(world.name(902)));
}

/// One worker, and a daemon that has watched long enough.
struct Alone : testing::Test {
  World world;
  Alone() {
    world.settings.max_active = 1;
    world.busy();
    world.settle();
  }
  const WorkerId& worker() { return world.snapshot.workers.front().id; }
};

TEST_F(Alone, ItIsNotAskedMoreOftenThanEveryFiveSecondsHoweverOftenItReports) {
  world.settings.heartbeat_interval = 2s;
  world.settings.poll = 1s;
  world.run(125s, false);
  std::vector<MonoTime> asked;
  for (int i = 0; i < 30; ++i) {
    if (!actions<ProbeWorker>(world.run(1s, false)).empty()) asked.push_back(world.now);
  }
  ASSERT_GE(asked.size(), 5U);
  for (std::size_t i = 1; i < asked.size(); ++i) EXPECT_EQ(asked[i] - asked[i - 1], Duration(5s));
}

TEST_F(Alone, AnOutageIsNoTimeInWhichSshWasUnreachable) {
  world.run(115s, false);
  world.database_readable = false;
  world.run(10min, false);
  world.database_readable = true;
  EXPECT_TRUE(actions<FailWorker>(world.run(world.settings.poll, false)).empty());
  const MonoTime back = world.now;
  const Duration patience = world.settings.heartbeat_timeout * 2;
  while (world.now - back < patience)
    ASSERT_TRUE(actions<FailWorker>(world.run(world.settings.poll, false)).empty());
  EXPECT_EQ(actions<FailWorker>(world.run(world.settings.poll, false)).size(), 1U);
}

TEST_F(Alone, AnOldQuestionIsAskedAgainBeforeItIsGivenUp) {
  world.run(115s, false);
  ASSERT_TRUE(world.memory.workers.at(worker()).last_probe.has_value());
  world.in_flight = {worker()};  // so long nobody asks
  world.run(10min, false);
  world.in_flight.clear();
  const Plan plan = world.run(world.settings.poll, false);
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  EXPECT_EQ(actions<ProbeWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(world.run(world.settings.poll, false)).size(), 1U);
}

TEST_F(Alone, ItsReplacementKeepsNobodyWaiting) {
  world.run(130s, false);
  world.shell_probe[worker()] = false;
  const Plan plan = world.run(5s, false);
  EXPECT_EQ(actions<FailWorker>(plan).size(), 1U);
  EXPECT_EQ(gate(plan, "replacement_rate"), nullptr);
}

TEST_F(Alone, ItIsLeftAloneWhileAnActionOnItRuns) {
  world.in_flight = {worker()};
  for (int i = 0; i < 100; ++i) {
    world.shell_probe[worker()] = false;
    EXPECT_TRUE(world.run(5s, false).actions.empty());
  }
}

TEST_F(Alone, ItsLastAnswerCountsForTwoIntervalsExactly) {
  world.run(130s, false);
  Memory::WorkerSeen& seen = world.memory.workers.at(worker());
  seen.unanswered_since.reset();
  seen.probed_alive = false;
  for (const Duration ago : {40s + 1ms, 40s + 0ms}) {
    World later = world;
    later.memory.workers.at(worker()).probed_at = world.now + 5s - ago;
    EXPECT_EQ(actions<FailWorker>(later.run(5s, false)).size(), ago > Duration(40s) ? 0U : 1U);
  }
}

TEST_F(Alone, ItsSilenceIsNoReplacementUnlessItOutlastedTheTimeOut) {
  world.snapshot.recent_failures = {{world.name(800), 10s, 120s}, {world.name(801), 10s, 120'001ms}};
  world.tick();
  EXPECT_FALSE(world.memory.replaced.contains(world.name(800)));
  ASSERT_TRUE(world.memory.replaced.contains(world.name(801)));
  EXPECT_EQ(world.memory.replaced.at(world.name(801)), world.now - 10s);
}

}  // namespace
}  // namespace gpuwarden::policy
