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

TEST(Assess, TakesAWorkerForAliveUntilTheTimeOutHasPassed) {
  const Settings settings;
  EXPECT_EQ(assess(silent_for(119'999ms), settings).life, Life::alive);
  EXPECT_EQ(assess(silent_for(120s), settings).life, Life::alive);
  EXPECT_EQ(assess(silent_for(120'001ms), settings).life, Life::unknown);
}

TEST(Assess, NeedsBothClocks) {
  const Settings settings;
  Signs signs = silent_for(1h);
  signs.provider_says_gone = true;
  signs.watched_silent = 120s;
  EXPECT_EQ(assess(signs, settings).life, Life::unknown);
  signs.watched_silent = 120'001ms;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
  signs.silent = 120s;  // the database has seen a heartbeat that we have not
  EXPECT_EQ(assess(signs, settings).life, Life::alive);
}

TEST(Assess, WantsAProbeOneIntervalBeforeTheTimeOutByBothClocks) {
  const Settings settings;
  EXPECT_FALSE(assess(silent_for(100s), settings).wants_probe);
  EXPECT_TRUE(assess(silent_for(100'001ms), settings).wants_probe);
  Signs signs = silent_for(1h);
  signs.watched_silent = 100s;
  EXPECT_FALSE(assess(signs, settings).wants_probe);
  signs.watched_silent = 100'001ms;
  EXPECT_TRUE(assess(signs, settings).wants_probe);
}

TEST(Assess, NeedsASecondSource) {
  const Settings settings;
  const HealthVerdict alone = assess(silent_for(1h), settings);
  EXPECT_EQ(alone.life, Life::unknown);
  EXPECT_TRUE(alone.wants_probe);
  Signs signs = silent_for(1h);
  signs.process_lives = true;
  EXPECT_EQ(assess(signs, settings).life, Life::alive);
  signs.process_lives = false;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
}

TEST(Assess, TakesALongUnreachableShellForTheSecondSource) {
  const Settings settings;
  Signs signs = silent_for(1h);
  signs.probes_unanswered = 240s;
  EXPECT_EQ(assess(signs, settings).life, Life::unknown);
  signs.probes_unanswered = 240'001ms;
  EXPECT_EQ(assess(signs, settings).life, Life::dead);
}

TEST(Mass, IsThreeOrFiftyFivePercent) {
  EXPECT_EQ(mass_threshold(1), 3);
  EXPECT_EQ(mass_threshold(5), 3);
  EXPECT_EQ(mass_threshold(6), 4);
  EXPECT_EQ(mass_threshold(100), 55);
  EXPECT_EQ(mass_threshold(101), 56);
}

TEST(Replacements, AreAFifthOfTheFleetInTenMinutesButAtLeastOne) {
  Memory memory;
  const MonoTime now{10000s};
  EXPECT_EQ(replacements_left(memory, 1, now), 1);
  EXPECT_EQ(replacements_left(memory, 9, now), 1);
  EXPECT_EQ(replacements_left(memory, 10, now), 2);
  EXPECT_EQ(replacements_left(memory, 100, now), 20);
  memory.replaced = {{WorkerId("a"), now - 600s}, {WorkerId("b"), now - 599'999ms}};
  EXPECT_EQ(replacements_left(memory, 10, now), 1);
}

/// A fleet that the daemon has watched long enough.
World watched(int workers) {
  World world;
  world.settings.max_active = 100;
  for (int i = 0; i < workers; ++i) world.busy();
  world.settle();
  return world;
}

/// Time passes and all but the first `silent` workers report.
Plan fall_silent(World& world, std::size_t silent, Duration duration) {
  Plan plan;
  for (Duration passed{0}; passed < duration; passed += world.settings.poll) {
    world.pass(world.settings.poll);
    for (std::size_t i = silent; i < world.snapshot.workers.size(); ++i)
      world.snapshot.workers[i].heartbeat_age = 1s;
    plan = world.tick();
  }
  return plan;
}

TEST(Watchdog, AsksOverSshAndFailsTheWorkerWhoseProcessIsGone) {
  World world = watched(1);
  Plan plan = fall_silent(world, 1, 100s);  // the last heartbeat was seen at an age of one second
  EXPECT_TRUE(actions<ProbeWorker>(plan).empty()) << words(plan);
  plan = fall_silent(world, 1, 5s);
  ASSERT_EQ(actions<ProbeWorker>(plan).size(), 1U) << words(plan);
  world.shell_probe = {{world.snapshot.workers[0].id, false}};
  plan = fall_silent(world, 1, 15s);  // the answer is there, the time-out has not passed by our own clock
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  plan = fall_silent(world, 1, 5s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::heartbeat_lost);
  EXPECT_EQ(actions<FailWorker>(plan).front().pod, world.snapshot.workers[0].pod);
}

TEST(Watchdog, SparesTheWorkerWhoseProcessLives) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  for (int i = 0; i < 100; ++i) {
    world.shell_probe = {{world.snapshot.workers[0].id, true}};
    const Plan plan = fall_silent(world, 1, 5s);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  }
}

TEST(Watchdog, AsksAgainAtTheHeartbeatInterval) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  int asked = 0;
  for (int i = 0; i < 12; ++i)
    asked += static_cast<int>(actions<ProbeWorker>(fall_silent(world, 1, 5s)).size());
  EXPECT_EQ(asked, 3);  // 60 s, one every 20 s
}

TEST(Watchdog, GivesUpAWorkerThatNeitherReportsNorAnswers) {
  World world = watched(1);
  fall_silent(world, 1, 105s);
  Plan plan = fall_silent(world, 1, 240s);
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  plan = fall_silent(world, 1, 5s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_NE(reason_of<FailWorker>(plan).find("SSH unreachable"), std::string::npos);
}

TEST(Watchdog, GivesUpASilentWorkerWhosePodHasNoSshEndpoint) {
  World world = watched(1);
  world.pods.front().ssh.reset();
  fall_silent(world, 1, 105s);
  EXPECT_TRUE(actions<FailWorker>(fall_silent(world, 1, 240s)).empty());
  EXPECT_EQ(actions<FailWorker>(fall_silent(world, 1, 5s)).size(), 1U);
}

TEST(Watchdog, TrustsAnAnswerForTwoProbeIntervals) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  world.list_complete = false;  // keeps the verdict from being acted on
  world.shell_probe = {{world.snapshot.workers[0].id, false}};
  world.tick();
  world.list_complete = true;
  World later = world;
  later.pass(40s);                                          // two intervals
  EXPECT_EQ(actions<FailWorker>(later.tick()).size(), 0U);  // too long between two reads: an outage
  for (int i = 0; i < 8; ++i) {
    world.list_complete = i == 7;
    const Plan plan = fall_silent(world, 1, 5s);
    EXPECT_EQ(actions<FailWorker>(plan).size(), i == 7 ? 1U : 0U) << i << words(plan);
  }
}

TEST(Watchdog, StartsOverWhenAHeartbeatArrives) {
  World world = watched(1);
  fall_silent(world, 1, 300s);
  EXPECT_TRUE(world.memory.workers.begin()->second.unanswered_since.has_value());
  const Plan plan = fall_silent(world, 0, 5s);
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  EXPECT_FALSE(world.memory.workers.begin()->second.unanswered_since.has_value());
}

TEST(Watchdog, FailsNobodyRightAfterOurOwnLoopStoodStill) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  world.shell_probe = {{world.snapshot.workers[0].id, false}};
  world.loop_gap = 5s;
  world.pass(1s);
  const Plan held = world.tick();
  EXPECT_TRUE(actions<FailWorker>(held).empty());
  ASSERT_NE(gate(held, "observer"), nullptr);
  EXPECT_EQ(gate(held, "observer")->reason,
            "our own loop stood still a moment ago; 1 silent worker is left alone");
  world.pass(4'999ms);
  EXPECT_TRUE(actions<FailWorker>(world.tick()).empty());
  world.pass(1ms);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(Watchdog, AGapJustBelowFiveSecondsIsNone) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  world.shell_probe = {{world.snapshot.workers[0].id, false}};
  world.loop_gap = 4'999ms;
  world.pass(1s);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(Watchdog, NeedsThreeCompleteReadsInARow) {
  World world = watched(1);
  fall_silent(world, 1, 125s);
  world.database_readable = false;
  world.run(5s, false);
  world.database_readable = true;
  for (int read = 1; read <= 3; ++read) {
    world.shell_probe = {{world.snapshot.workers[0].id, false}};
    const Plan plan = fall_silent(world, 1, 5s);
    EXPECT_EQ(actions<FailWorker>(plan).size(), read == 3 ? 1U : 0U) << read << words(plan);
  }
}

TEST(Watchdog, StartsItsTimersAnewAfterAnOutage) {
  World world = watched(2);
  world.database_readable = false;
  world.run(1h, false);
  world.database_readable = true;
  for (int i = 0; i < 24; ++i) {  // 120 s: not longer than the time-out
    world.shell_probe = {{world.snapshot.workers[0].id, false}, {world.snapshot.workers[1].id, false}};
    const Plan plan = fall_silent(world, 2, 5s);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << i << words(plan);
  }
}

TEST(Watchdog, StartsItsTimersAnewUnderANewLeadership) {
  World world = watched(1);
  fall_silent(world, 1, 100s);
  world.snapshot.leader.epoch = 8;
  fall_silent(world, 1, 5s);
  const Plan plan = fall_silent(world, 1, 100s);
  EXPECT_TRUE(actions<ProbeWorker>(plan).empty()) << words(plan);
}

TEST(Watchdog, IgnoresAJumpOfTheDatabasesClock) {
  World world = watched(4);
  world.snapshot.db_now += 1h;
  for (Worker& worker : world.snapshot.workers) *worker.heartbeat_age += 1h;
  for (int i = 0; i < 4; ++i) {
    const Plan plan = world.run(5s, false);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  }
  world.beat_all();
  EXPECT_TRUE(world.run(10min).actions.empty());
}

TEST(Case02, AFleetThatGoesSilentAtOnceIsLeftAloneAndTheObserverSuspected) {
  World world = watched(10);
  world.snapshot.queue.queued = 20;  // it would like to grow as well
  bool suspected = false;
  for (int i = 0; i < 400; ++i) {
    const Plan plan = world.run(5s, false);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << i << words(plan);
    EXPECT_TRUE(actions<DrainWorker>(plan).empty());
    EXPECT_TRUE(actions<DeletePod>(plan).empty());
    suspected = gate(plan, "observer") != nullptr;
    if (suspected) EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
    // Healthy pods: every process that is asked after lives.
    for (const ProbeWorker& probe : actions<ProbeWorker>(plan)) world.shell_probe[probe.worker] = true;
  }
  EXPECT_TRUE(suspected);
  EXPECT_TRUE(world.memory.mass_stale_since.has_value());
  const Plan plan = world.run(5s);
  EXPECT_TRUE(actions<FailWorker>(plan).empty());
  EXPECT_EQ(world.memory.timers_restarted, world.now);
  EXPECT_FALSE(world.memory.mass_stale_since.has_value());
}

TEST(Case02, SilenceOfAllIsSeenBeforeTheFirstWorkerIsJudged) {
  World world = watched(10);
  for (std::size_t i = 0; i < 10; ++i)  // last heartbeats spread over one interval
    world.snapshot.workers[i].heartbeat_age = Duration(2s) * static_cast<int>(i);
  for (int i = 0; i < 100; ++i) {
    for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = false;
    const Plan plan = world.run(5s, false);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << i << words(plan);
  }
}

TEST(MassSilence, IsActedOnOnlyByProofAfterLongPatienceAndSlowly) {
  World world = watched(10);
  fall_silent(world, 10, 110s);
  int failed = 0;
  for (int i = 0; i < 20 * 12; ++i) {  // 20 minutes
    for (const Worker& worker : world.snapshot.workers) world.shell_probe[worker.id] = false;
    const Plan plan = world.run(5s, false);
    for (const FailWorker& fail : actions<FailWorker>(plan)) {
      ++failed;
      std::erase_if(world.snapshot.workers, [&](const Worker& w) { return w.id == fail.worker; });
    }
    if (i < 115) EXPECT_EQ(failed, 0) << i;
  }
  EXPECT_GE(failed, 2);
  EXPECT_LE(failed, 4);
}

TEST(Watchdog, ReplacesAtMostAFifthOfTheFleetAtOnce) {
  World world = watched(10);
  fall_silent(world, 5, 125s);  // half: below the threshold of six
  for (std::size_t i = 0; i < 5; ++i) world.shell_probe[world.snapshot.workers[i].id] = false;
  const Plan plan = fall_silent(world, 5, 5s);
  EXPECT_EQ(actions<FailWorker>(plan).size(), 2U) << words(plan);
  EXPECT_NE(gate(plan, "replacement_rate"), nullptr);
}

TEST(Watchdog, WatchesADrainingWorkerThatHasATask) {
  World world = watched(1);
  world.snapshot.workers[0].status = WorkerStatus::terminating;
  world.snapshot.workers[0].phase = Phase::draining;
  world.snapshot.workers[0].phase_age = 0s;
  fall_silent(world, 1, 125s);
  world.shell_probe = {{world.snapshot.workers[0].id, false}};
  EXPECT_EQ(actions<FailWorker>(fall_silent(world, 1, 5s)).size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::policy
