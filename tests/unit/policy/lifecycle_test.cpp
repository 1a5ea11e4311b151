#include "policy/lifecycle.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

/// A world in which nothing is surplus.
World needed() {
  World world;
  world.snapshot.queue.queued = 3;
  world.settings.max_active = 1;
  return world;
}

struct Deadline {
  Phase phase;
  Duration limit;
  FailureCause cause;
};

class Deadlines : public testing::TestWithParam<Deadline> {};

TEST_P(Deadlines, FailTheWorkerJustAfterAndNotBefore) {
  Worker worker;
  worker.phase = GetParam().phase;
  worker.age = GetParam().limit;
  const Settings settings;
  EXPECT_FALSE(overdue(worker, settings).has_value());
  worker.age += 1ms;
  const auto late = overdue(worker, settings);
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->cause, GetParam().cause);
  EXPECT_FALSE(late->reason.empty());
}

INSTANTIATE_TEST_SUITE_P(
    EveryPhase, Deadlines,
    testing::Values(Deadline{Phase::provisioning, 900s, FailureCause::provision_timeout},
                    Deadline{Phase::starting, 900s, FailureCause::provision_timeout},
                    Deadline{Phase::connecting, 1800s, FailureCause::ssh_unreachable},
                    Deadline{Phase::bootstrapping, 1800s, FailureCause::bootstrap_timeout},
                    Deadline{Phase::awaiting_heartbeat, 1800s, FailureCause::first_heartbeat_timeout}),
    [](const auto& info) { return std::string(to_string(info.param.phase)); });

TEST(Case04, AWorkerThatNeverStartsIsFailedAtItsDeadline) {
  World world = needed();
  world.spawning(Phase::awaiting_heartbeat, 0s, PodStatus::running);
  EXPECT_TRUE(actions<FailWorker>(world.run(1800s)).empty());
  const Plan plan = world.run(5s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::first_heartbeat_timeout);
}

TEST(Case04, AHeartbeatThatDoesNotComeIsAskedForOverSshAndInTheLog) {
  World world = needed();
  const WorkerId id = world.spawning(Phase::awaiting_heartbeat, 0s, PodStatus::running).id;
  EXPECT_TRUE(actions<ProbeWorker>(world.run(40s)).empty());
  const Plan plan = world.run(5s);
  ASSERT_EQ(actions<ProbeWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<ProbeWorker>(plan).front().worker, id);
  EXPECT_TRUE(actions<ProbeWorker>(plan).front().read_log);
  EXPECT_TRUE(actions<ProbeWorker>(world.run(15s)).empty());
  EXPECT_EQ(actions<ProbeWorker>(world.run(5s)).size(), 1U) << "once an interval";
}

TEST(Case04, OfManyThatAwaitTheirHeartbeatFewAreAskedAtOnceAndFewerLogsAreRead) {
  World world = needed();
  for (int i = 0; i < 12; ++i) world.spawning(Phase::awaiting_heartbeat, 50s, PodStatus::running);
  const auto asked = actions<ProbeWorker>(world.tick());
  EXPECT_EQ(asked.size(), 8U);
  EXPECT_EQ(std::count_if(asked.begin(), asked.end(), [](const ProbeWorker& one) { return one.read_log; }),
            3);
}

TEST(Case04, OfAnOverdueStartupScriptItsStepSaysWhatDidNotCome) {
  for (const auto& [step, cause] : {std::pair{BootStep::fetch, FailureCause::bootstrap_timeout},
                                    std::pair{BootStep::setup, FailureCause::bootstrap_timeout},
                                    std::pair{BootStep::start, FailureCause::first_heartbeat_timeout}}) {
    World world = needed();
    world.spawning(Phase::bootstrapping, 0s, PodStatus::running).step = step;
    EXPECT_TRUE(actions<FailWorker>(world.run(1800s)).empty());
    const Plan plan = world.run(5s);
    ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
    EXPECT_EQ(actions<FailWorker>(plan).front().suspected, cause) << to_string(step);
  }
}

TEST(Spawning, IsActivatedByTheFirstHeartbeat) {
  World world = needed();
  Worker& worker = world.spawning(Phase::awaiting_heartbeat, 80s, PodStatus::running);
  worker.phase_age = 5s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.heartbeat_age = 0s;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<ActivateWorker>(plan).size(), 1U);
  EXPECT_EQ(reason_of<ActivateWorker>(plan), "first heartbeat after 1m 20s");
}

TEST(Spawning, IsBroughtUpOnceThePodRunsWithSsh) {
  World world = needed();
  Worker& worker = world.spawning(Phase::starting, 30s, PodStatus::starting);
  EXPECT_TRUE(world.tick().actions.empty());
  world.pods.front().status = PodStatus::running;
  EXPECT_TRUE(world.tick().actions.empty());  // the port is not mapped yet
  world.pods.front().ssh = SshEndpoint{};
  const Plan plan = world.tick();
  ASSERT_EQ(actions<BringUpWorker>(plan).size(), 1U);
  EXPECT_EQ(actions<BringUpWorker>(plan).front().pod, worker.pod);
  world.pass(9'999ms);
  EXPECT_TRUE(actions<BringUpWorker>(world.tick()).empty());
  world.pass(1ms);
  EXPECT_EQ(actions<BringUpWorker>(world.tick()).size(), 1U);
}

TEST(Spawning, IsNotBroughtUpASecondTimeWhileItIsBroughtUp) {
  World world = needed();
  Worker& worker = world.spawning(Phase::bootstrapping, 30s, PodStatus::running);
  world.bringing_up = {worker.id};
  EXPECT_TRUE(world.run(5min).actions.empty());
  worker.age = 1801s;  // but it is watched
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(Spawning, IsNotedAsStartingOnceTheContainerStarts) {
  World world = needed();
  Worker& worker = world.spawning(Phase::provisioning, 30s, PodStatus::provisioning);
  EXPECT_TRUE(world.tick().actions.empty());
  world.pods.front().status = PodStatus::starting;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<NotePhase>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<NotePhase>(plan).front().phase, Phase::starting);
  worker.phase = Phase::starting;
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Spawning, IsBroughtUpInEveryPhaseThatNeedsIt) {
  for (const Phase phase : {Phase::provisioning, Phase::starting, Phase::connecting, Phase::bootstrapping}) {
    World world = needed();
    world.spawning(phase, 30s, PodStatus::running);
    EXPECT_EQ(actions<BringUpWorker>(world.tick()).size(), 1U) << to_string(phase);
  }
  World world = needed();
  world.spawning(Phase::awaiting_heartbeat, 30s, PodStatus::running);
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Spawning, IsWatchedWhileItIsBroughtUp) {
  World world = needed();
  world.spawning(Phase::bootstrapping, 1801s, PodStatus::running);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(DeadPods, FailASpawningWorkerAtOnce) {
  for (const auto& [status, cause] : {std::pair{PodStatus::exited, FailureCause::pod_exited},
                                      std::pair{PodStatus::error, FailureCause::pod_error}}) {
    World world = needed();
    world.spawning(Phase::starting, 30s, status);
    const Plan plan = world.tick();
    ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
    EXPECT_EQ(actions<FailWorker>(plan).front().suspected, cause);
  }
}

TEST(VanishedPods, AreBelievedAfterTwoCompleteLists) {
  World world = needed();
  Worker& worker = world.spawning(Phase::starting, 10s);
  world.tick();
  world.remove_pod(worker.pod);
  EXPECT_TRUE(world.tick().actions.empty());
  world.list_complete = false;
  EXPECT_TRUE(world.tick().actions.empty());
  world.list_complete = true;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::pod_vanished);
}

TEST(VanishedPods, ThatWereNeverListedMayBeLateForFiveMinutes) {
  World world = needed();
  Worker& worker = world.spawning(Phase::provisioning, 10s);
  world.remove_pod(worker.pod);
  world.tick();
  worker.age = 299'999ms;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.age = 300s;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(VanishedPods, AllAtOnceAreDoubtedForTheListLag) {
  World world = needed();
  world.settings.max_active = 10;
  for (int i = 0; i < 3; ++i) world.spawning(Phase::starting, 100s);
  world.tick();
  world.pods.clear();
  world.tick();
  world.pass(299'999ms);
  const Plan plan = world.tick();
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  EXPECT_NE(gate(plan, "pods"), nullptr);
  world.pass(1ms);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 3U);
}

TEST(DeadPods, OfAnActiveWorkerAreNotBelievedWhileHeartbeatsArrive) {
  World world = needed();
  Worker& worker = world.busy();
  world.pods.front().status = PodStatus::exited;
  worker.heartbeat_age = 40s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.heartbeat_age = 40'001ms;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::pod_exited);
}

TEST(RestartedContainers, AreSeenByTheUptimeGoingBack) {
  World world = needed();
  Worker& worker = world.busy();
  world.pods.front().uptime = 500s;
  world.tick();
  world.pods.front().uptime = 495s;  // the provider's cache may lag a little
  worker.heartbeat_age = 60s;
  EXPECT_TRUE(world.tick().actions.empty());
  world.pods.front().uptime = 2s;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
  worker.heartbeat_age = 0s;  // a heartbeat after it: the worker came back
  world.pass(1s);
  EXPECT_TRUE(actions<FailWorker>(world.tick()).empty());
}

TEST(RestartedContainers, AreLeftToTheScriptsDeadlineUntilTheWorkerWasStarted) {
  World world = needed();
  world.spawning(Phase::bootstrapping, 100s, PodStatus::running);
  world.pods.front().uptime = 100s;
  world.tick();
  world.pods.front().uptime = 1s;
  EXPECT_TRUE(actions<FailWorker>(world.tick()).empty());
  world.snapshot.workers.front().phase = Phase::awaiting_heartbeat;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST(Case13, AReportedCrashFailsTheWorkerInTheSameTick) {
  World world = needed();
  world.spawning(Phase::awaiting_heartbeat, 40s, PodStatus::running).crash =
      CrashReport{std::nullopt, 2, "", {"error: unrecognized argument"}, 800ms};
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::start_failed);
  EXPECT_EQ(reason_of<FailWorker>(plan), "the worker process ended with exit code 2 after 800ms");
}

TEST(Crashes, AreNamedByStepAndByWhetherTheWorkerEverReported) {
  CrashReport crash;
  EXPECT_EQ(suspicion_of(crash, false).cause, FailureCause::start_failed);
  EXPECT_EQ(suspicion_of(crash, true).cause, FailureCause::worker_crashed);
  crash.step = BootStep::fetch;
  EXPECT_EQ(suspicion_of(crash, false).cause, FailureCause::fetch_failed);
  crash.step = BootStep::setup;
  EXPECT_EQ(suspicion_of(crash, false).cause, FailureCause::setup_failed);
  crash.step = BootStep::start;
  EXPECT_EQ(suspicion_of(crash, false).cause, FailureCause::start_failed);
  crash.step = BootStep::preflight;
  EXPECT_EQ(suspicion_of(crash, false).cause, FailureCause::unclassified);
}

TEST(Crashes, OfABusyWorkerFailIt) {
  World world = needed();
  world.busy().crash = CrashReport{std::nullopt, std::nullopt, "SIGSEGV", {}, std::nullopt};
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::worker_crashed);
  EXPECT_EQ(reason_of<FailWorker>(plan), "the worker process ended by SIGSEGV");
}

TEST(StuckTasks, FailTheirWorkerJustAfterTheTimeOut) {
  World world = needed();
  world.busy(1200s);
  world.settle();
  EXPECT_TRUE(world.tick().actions.empty());
  world.pass(1ms);
  const Plan plan = world.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::task_stuck);
}

TEST(StuckTasks, OfExemptTypesRunAsLongAsTheyLike) {
  World world = needed();
  world.busy(48h);
  world.snapshot.running.front().type = "travel_orchestrator";
  world.settle();
  EXPECT_TRUE(world.tick().actions.empty());
}

struct TypeLimit {
  const char* type;
  std::optional<Duration> limit;
};
class StuckLimits : public testing::TestWithParam<TypeLimit> {};

TEST_P(StuckLimits, AreThoseOfTheFirstPatternThatMatches) {
  World world = needed();
  world.settings.stuck_types = {{"video_*", 3600s}, {"video_quick_*", 60s}, {"quick_?", 120s}};
  world.settings.stuck_exempt = {"*_orchestrator*", "quick_x"};
  world.busy(GetParam().limit.value_or(100h));
  world.snapshot.running.front().type = GetParam().type;
  world.settle();
  EXPECT_TRUE(world.tick().actions.empty());
  world.pass(1ms);
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), GetParam().limit ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Types, StuckLimits,
                         testing::Values(TypeLimit{"render", 1200s}, TypeLimit{"video_long", 3600s},
                                         TypeLimit{"video_quick_one", 3600s}, TypeLimit{"quick_a", 120s},
                                         TypeLimit{"quick_ab", 1200s}, TypeLimit{"quick_x", std::nullopt},
                                         TypeLimit{"video_orchestrator", std::nullopt}),
                         [](const auto& info) { return std::string(info.param.type); });

TEST(StuckTasks, AreNotCountedRightAfterAnOutage) {
  World world = needed();
  world.busy(600s);
  world.settle();
  world.database_readable = false;
  world.run(20min, false);
  world.database_readable = true;
  const Plan plan = world.run(115s);
  EXPECT_TRUE(actions<FailWorker>(plan).empty()) << words(plan);
  EXPECT_NE(gate(plan, "observer"), nullptr);
  EXPECT_EQ(actions<FailWorker>(world.run(15s)).size(), 1U);
}

TEST(Rescue, IsAskedForAtMostOnceInTenSeconds) {
  World world;
  world.snapshot.rescuable = 2;
  EXPECT_EQ(actions<RescueTasks>(world.tick()).size(), 1U);
  world.pass(9'999ms);
  EXPECT_TRUE(actions<RescueTasks>(world.tick()).empty());
  world.pass(1ms);
  EXPECT_EQ(actions<RescueTasks>(world.tick()).size(), 1U);
  world.snapshot.rescuable = 0;
  world.pass(1h);
  EXPECT_TRUE(actions<RescueTasks>(world.tick()).empty());
}

TEST(Rescue, WaitsAfterAnOutageInWhichNobodyCouldShowActivity) {
  World world;
  world.tick();
  world.database_readable = false;
  world.run(10min);
  world.database_readable = true;
  world.snapshot.rescuable = 2;
  EXPECT_TRUE(actions<RescueTasks>(world.run(120s)).empty());
  EXPECT_EQ(actions<RescueTasks>(world.run(5s)).size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::policy
