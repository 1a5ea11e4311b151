#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/observer.hpp"
#include "policy/worker_health.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

Signs unreachable_for(Duration unanswered) {
  Signs signs;
  signs.silent = signs.watched_silent = 1h;
  signs.probes_unanswered = unanswered;
  return signs;
}

TEST(LogFreshness, MakesAnUnreachableWorkerUnknownInsteadOfDead) {
  const Settings settings;
  Signs signs = unreachable_for(10min);
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
  signs.log_moved = 239'999ms;
  EXPECT_EQ(assess(signs, settings).life, Life::unknown);
  signs.log_moved = 240s;
  EXPECT_EQ(assess(signs, settings).life, Life::unknown);
  EXPECT_TRUE(assess(signs, settings).wants_probe);
  EXPECT_NE(assess(signs, settings).reason.find("its log goes on"), std::string::npos);
  signs.log_moved = 240'001ms;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
}

TEST(LogFreshness, OverrulesNeitherTheProviderNorAProbeThatAnswered) {
  const Settings settings;
  Signs signs = unreachable_for(10min);
  signs.log_moved = 1s;
  signs.process_lives = false;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
  signs.process_lives.reset();
  signs.provider_says_gone = true;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
}

/// One worker that the daemon has watched long enough.
struct OneWorker : testing::Test {
  World world;
  WallTime line{std::chrono::sys_days{std::chrono::year{2031} / 1 / 1}};  ///< the provider's clock is its own

  OneWorker() {
    world.settings.max_active = 100;
    world.settings.task_stuck_timeout = 100h;
    world.busy();
    world.settle();
  }
  const WorkerId& worker() const { return world.snapshot.workers.front().id; }
  /// Silence for so long; each probe that looks at the log finds a line, newer by `step` each time.
  Plan silent(Duration duration, std::optional<Duration> step = {}) {
    Plan plan;
    for (Duration passed{0}; passed < duration; passed += world.settings.poll) {
      plan = world.run(world.settings.poll, false);
      for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) {
        if (probe.read_log && step) world.newest_log_line[probe.worker] = line += *step;
      }
      if (!actions<FailWorker>(plan).empty()) return plan;
    }
    return plan;
  }
};

TEST_F(OneWorker, WhoseLogGrowsBetweenTwoLooksIsSparedHoweverLongSshIsOut) {
  EXPECT_TRUE(actions<FailWorker>(silent(1h, 1ms)).empty());
}

TEST_F(OneWorker, WhoseLogStandsStillIsGivenUp) {
  const Plan plan = silent(1h, Duration{0});
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_NE(reason_of<FailWorker>(plan).find("SSH unreachable"), std::string::npos);
}

TEST_F(OneWorker, WhoseLogGoesBackIsGivenUp) {
  EXPECT_EQ(actions<FailWorker>(silent(1h, -1s)).size(), 1U);
}

TEST_F(OneWorker, WhoseLogCannotBeReadIsGivenUpAsWithoutOne) {
  EXPECT_EQ(actions<FailWorker>(silent(1h)).size(), 1U);
}

TEST_F(OneWorker, WhoseLogFallsSilentIsGivenUpTwoTimeOutsLater) {
  EXPECT_TRUE(actions<FailWorker>(silent(20min, 1s)).empty());
  const MonoTime last = *world.memory.workers.at(worker()).log_moved;
  ASSERT_EQ(actions<FailWorker>(silent(1h, Duration{0})).size(), 1U);
  // The line that was found by the last look before is seen one tick later.
  EXPECT_GT(world.now - last, world.settings.heartbeat_timeout * 2);
  EXPECT_LE(world.now - last, world.settings.heartbeat_timeout * 2 + world.settings.poll * 3);
}

TEST_F(OneWorker, WithoutAnSshEndpointHasItsLogReadAllTheSame) {
  world.pods.front().ssh.reset();
  const Plan plan = silent(105s);
  ASSERT_EQ(actions<ProbeWorker>(plan).size(), 1U) << words(plan);
  EXPECT_TRUE(actions<ProbeWorker>(plan).front().read_log);
  EXPECT_TRUE(actions<FailWorker>(silent(1h, 1s)).empty());
}

TEST_F(OneWorker, IsAskedOneIntervalBeforeTheTimeOutSoThatItsDeathIsKnownInTime) {
  world.beat_all();
  world.tick();
  Duration silent_for{0};
  bool asked = false, failed = false;
  while (!failed && silent_for < 10min) {
    const Plan plan = world.run(world.settings.poll, false);
    silent_for += world.settings.poll;
    asked = asked || !actions<ProbeWorker>(plan).empty();
    EXPECT_EQ(asked, silent_for > 100s) << words(plan);
    if (!actions<ProbeWorker>(plan).empty()) world.shell_probe[worker()] = false;
    failed = !actions<FailWorker>(plan).empty();
  }
  // Six heartbeat periods and one poll, and the second that the last heartbeat was old when it was read.
  EXPECT_LE(silent_for, world.settings.heartbeat_interval * 6 + world.settings.poll);
  EXPECT_GT(silent_for + 1s, world.settings.heartbeat_timeout);
}

TEST_F(OneWorker, IsNotAskedBeforeTheSecondHeartbeatIsMissed) {
  world.settings.heartbeat_timeout = 30s;  // shorter than is wise
  world.beat_all();
  world.tick();
  EXPECT_TRUE(actions<ProbeWorker>(world.run(25s, false)).empty());
  EXPECT_EQ(actions<ProbeWorker>(world.run(10s, false)).size(), 1U);
}

TEST(LogLooks, AreThreeATickAndReachEverybody) {
  World world;
  world.settings.max_active = 100;
  for (int i = 0; i < 20; ++i) world.busy();
  world.settle();
  std::map<WorkerId, int> looks;
  for (int i = 0; i < 120; ++i) {
    world.pass(5s);
    for (std::size_t n = 10; n < 20; ++n) world.snapshot.workers[n].heartbeat_age = 1s;
    const Plan plan = world.tick();
    int now = 0;
    for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) {
      if (!probe.read_log) continue;
      ++now;
      ++looks[probe.worker];
      world.newest_log_line[probe.worker] = world.snapshot.db_now;  // so that nobody is given up
    }
    EXPECT_LE(now, 3) << words(plan);
  }
  EXPECT_EQ(looks.size(), 10U);
  for (const auto& [worker, count] : looks) EXPECT_GE(count, 8) << worker.str();
}

struct Beacons : OneWorker {
  /// A dead worker beside a beacon that returned or not, tick by tick; how many ticks until it is failed.
  int ticks_until_failed(const std::vector<std::optional<bool>>& returned) {
    int ticks = 0;
    for (const auto& one : returned) {
      ++ticks;
      world.beacon_returned = one;
      world.shell_probe[worker()] = false;
      if (!actions<FailWorker>(world.run(world.settings.poll, false)).empty()) return ticks;
    }
    return 0;
  }
};

TEST_F(Beacons, ThatDoNotReturnKeepSilenceFromBeingDeath) {
  silent(115s);
  EXPECT_EQ(ticks_until_failed(std::vector<std::optional<bool>>(100, false)), 0);
  const Plan plan = world.tick();
  ASSERT_NE(gate(plan, "observer"), nullptr);
  EXPECT_NE(gate(plan, "observer")->reason.find("did not come back"), std::string::npos);
}

TEST_F(Beacons, ThatAreNotKnownOfKeepSilenceFromBeingDeath) {
  silent(115s);
  EXPECT_EQ(ticks_until_failed(std::vector<std::optional<bool>>(100, std::nullopt)), 0);
  EXPECT_NE(gate(world.tick(), "observer")->reason.find("not known yet"), std::string::npos);
}

TEST_F(Beacons, MustReturnInTheLastThreeReads) {
  silent(115s);
  EXPECT_EQ(ticks_until_failed({false, true, true, false, true, true, true}), 7);
}

TEST_F(Beacons, ThatReturnThriceLetTheThirdReadJudge) {
  silent(115s);
  EXPECT_EQ(ticks_until_failed({false, true, true, true}), 4);
}

TEST(Replacements, AreRememberedByTheDatabaseAcrossARestart) {
  for (const Duration silent_then : {120s, 121s}) {
    World world;
    world.settings.max_active = 100;
    for (int i = 0; i < 9; ++i) world.busy();
    world.snapshot.recent_failures = {{world.name(500), 100s, silent_then}};
    world.settle();  // 140 s
    for (RecentFailure& failure : world.snapshot.recent_failures) failure.age += 260s;
    for (int i = 0; i < 24; ++i) {
      world.pass(5s);
      for (std::size_t n = 1; n < 9; ++n) world.snapshot.workers[n].heartbeat_age = 1s;
      world.tick();
    }
    world.shell_probe[world.snapshot.workers[0].id] = false;
    world.pass(5s);
    for (std::size_t n = 1; n < 9; ++n) world.snapshot.workers[n].heartbeat_age = 1s;
    const Plan plan = world.tick();
    const bool counted = silent_then > world.settings.heartbeat_timeout;
    EXPECT_EQ(actions<FailWorker>(plan).size(), counted ? 0U : 1U) << words(plan);
    if (counted) EXPECT_NE(gate(plan, "replacement_rate"), nullptr);
  }
}

TEST(MassSilence, IsSeenByADaemonThatWasStartedIntoIt) {
  World world;
  world.settings.max_active = 100;
  for (int i = 0; i < 5; ++i) *world.busy().heartbeat_age = 3h;
  int failed = 0;
  for (int i = 0; i < 60; ++i) {  // five minutes without an answer from anywhere
    const Plan plan = world.run(5s, false);
    failed += static_cast<int>(actions<FailWorker>(plan).size());
    ASSERT_NE(gate(plan, "observer"), nullptr);
  }
  EXPECT_TRUE(world.memory.mass_stale_since.has_value());
  EXPECT_EQ(failed, 0);
}

struct Mass {
  int watched, silent;
  bool suspected;
};
class MassTable : public testing::TestWithParam<Mass> {};

TEST_P(MassTable, SuspectsTheObserverFromThreeAndFiftyFivePercentOn) {
  World world;
  world.settings.max_active = 100;
  for (int i = 0; i < GetParam().watched; ++i) world.busy();
  world.settle();
  for (int i = 0; i < 24; ++i) {
    world.pass(5s);
    for (std::size_t n = static_cast<std::size_t>(GetParam().silent); n < world.snapshot.workers.size(); ++n)
      world.snapshot.workers[n].heartbeat_age = 1s;
    world.tick();
  }
  EXPECT_EQ(world.memory.mass_stale_since.has_value(), GetParam().suspected);
}

INSTANTIATE_TEST_SUITE_P(Fleets, MassTable,
                         testing::Values(Mass{1, 1, false}, Mass{2, 2, false}, Mass{3, 2, false},
                                         Mass{3, 3, true}, Mass{5, 3, true}, Mass{6, 3, false},
                                         Mass{6, 4, true}, Mass{20, 10, false}, Mass{20, 11, true}),
                         [](const auto& info) {
                           return fmt::format("{}of{}", info.param.silent, info.param.watched);
                         });

TEST(TwoWorkers, AreJudgedByTheSecondSourceAlone) {
  World world;
  world.settings.max_active = 100;
  world.busy();
  world.busy();
  world.settle();
  world.run(130s, false);
  for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = true;
  EXPECT_TRUE(actions<FailWorker>(world.run(5s, false)).empty());
  for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = false;
  const Plan plan = world.run(5s, false);
  EXPECT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);  // one in ten minutes
}

}  // namespace
}  // namespace gpuwarden::policy
