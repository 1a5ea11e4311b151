#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/lifecycle.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(Crashes, AreToldWithEverythingThatIsKnown) {
  CrashReport crash;
  EXPECT_EQ(suspicion_of(crash, true).reason, "the worker process ended");
  crash.exit_code = 0;
  EXPECT_EQ(suspicion_of(crash, true).reason, "the worker process ended with exit code 0");
  crash.signal = "SIGKILL";
  crash.ran_for = 90s;
  EXPECT_EQ(suspicion_of(crash, true).reason,
            "the worker process ended with exit code 0 by SIGKILL after 1m 30s");
  crash.exit_code = 7;
  for (const auto& [step, cause] : {std::pair{BootStep::preflight, FailureCause::unclassified},
                                    {BootStep::fetch, FailureCause::fetch_failed},
                                    {BootStep::setup, FailureCause::setup_failed},
                                    {BootStep::start, FailureCause::start_failed}}) {
    crash.step = step;
    const Suspicion told = suspicion_of(crash, true);
    EXPECT_EQ(told.cause, cause);
    EXPECT_EQ(told.reason,
              "step " + std::string(to_string(step)) + " of the startup script failed with exit code 7");
  }
  crash.exit_code.reset();
  EXPECT_EQ(suspicion_of(crash, true).reason, "step start of the startup script failed");
}

TEST(Overdue, SaysWhatTheStartWaitsFor) {
  Worker worker;
  worker.phase = Phase::starting;
  worker.age = 901s;
  EXPECT_EQ(overdue(worker, Settings{})->reason, "no running pod with SSH after 15m 1s (15m 0s at most)");
  worker.phase = Phase::bootstrapping;
  worker.step = BootStep::setup;
  EXPECT_FALSE(overdue(worker, Settings{}));
  worker.age = 1801s;
  EXPECT_EQ(overdue(worker, Settings{})->reason,
            "no heartbeat after 30m 1s (30m 0s at most), still bootstrapping:setup");
  Settings patient;
  patient.provision_timeout = 2h;
  for (const auto& [phase, cause] : {std::pair{Phase::intent, FailureCause::provision_timeout},
                                     {Phase::unknown, FailureCause::provision_timeout},
                                     {Phase::provisioning, FailureCause::provision_timeout},
                                     {Phase::starting, FailureCause::provision_timeout},
                                     {Phase::connecting, FailureCause::ssh_unreachable},
                                     {Phase::bootstrapping, FailureCause::bootstrap_timeout},
                                     {Phase::awaiting_heartbeat, FailureCause::first_heartbeat_timeout}}) {
    worker.phase = phase;
    EXPECT_EQ(overdue(worker, patient)->cause, cause);
  }
}

/// A start whose pod runs, in a fleet that needs it.
struct Starting : testing::Test {
  World world;
  Starting() {
    world.settings.max_active = 1;
    world.snapshot.queue.queued = 3;
    world.spawning(Phase::starting, 30s, PodStatus::running);
  }
  Worker& worker() { return world.snapshot.workers.front(); }
  Pod& pod() { return world.pods.front(); }
  bool is_brought_up() { return !actions<BringUpWorker>(world.tick()).empty(); }
};

TEST_F(Starting, SaysWhyItIsBroughtUp) {
  EXPECT_EQ(reason_of<BringUpWorker>(world.tick()),
            "pod " + worker().pod.str() + " runs and SSH is open after 30s");
}

TEST_F(Starting, IsNotBroughtUpWhileABringUpRuns) {
  world.bringing_up = {worker().id};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(world.run(5s).actions.empty()) << i;
  world.bringing_up.clear();
  EXPECT_TRUE(is_brought_up());
}

TEST_F(Starting, IsNotBroughtUpInAPodThatBearsAnotherName) {
  pod().name = "renamed";
  EXPECT_FALSE(is_brought_up());
}

TEST_F(Starting, IsNotBroughtUpWithoutItsPodsIdOrAPodThatRuns) {
  worker().pod = PodId{};  // its id is not written down yet
  EXPECT_FALSE(is_brought_up());
  worker().pod = pod().id;
  pod().status = PodStatus::starting;
  EXPECT_FALSE(is_brought_up());
  pod().status = PodStatus::running;
  EXPECT_TRUE(is_brought_up());
}

TEST_F(Starting, IsNotBroughtUpWhileItsPodIsMissing) {
  world.tick();
  world.pods.clear();
  world.pass(10s);
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST_F(Starting, WithACrashAfterAHeartbeatIsACrashedWorker) {
  worker().crash = CrashReport{};
  const auto suspected = [&] {
    world.memory = {};
    const auto failed = actions<FailWorker>(world.tick());
    return failed.empty() ? FailureCause::unclassified : failed.front().suspected;
  };
  EXPECT_EQ(suspected(), FailureCause::start_failed);
  worker().proven = true;
  EXPECT_EQ(suspected(), FailureCause::worker_crashed);
  worker().proven = false;
  worker().heartbeat_age = 1s;
  EXPECT_EQ(suspected(), FailureCause::worker_crashed);
}

TEST_F(Starting, IsNotedAsSuchOnlyInThePodThatIsItsOwn) {
  worker().phase = Phase::provisioning;
  pod().status = PodStatus::starting;
  EXPECT_EQ(reason_of<NotePhase>(world.tick()), "the container is starting");
  worker().pod = PodId{};
  EXPECT_TRUE(actions<NotePhase>(world.tick()).empty());
}

TEST_F(Starting, WhoseContainerRestartedAndThenExitedHasExited) {
  worker().phase = Phase::bootstrapping;
  pod().uptime = 100s;
  world.tick();
  pod().uptime = 1s;
  EXPECT_TRUE(actions<FailWorker>(world.tick()).empty());  // the script's deadline decides
  pod().status = PodStatus::exited;
  EXPECT_EQ(reason_of<FailWorker>(world.tick()), "its pod has exited");
}

TEST_F(Starting, WhoseRestartedPodIsInErrorFails) {
  worker().phase = Phase::bootstrapping;
  pod().uptime = 100s;
  world.tick();
  pod().uptime = 1s;
  pod().status = PodStatus::error;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
}

TEST_F(Starting, WhoseRestartedPodVanishesFails) {
  worker().phase = Phase::bootstrapping;
  pod().uptime = 100s;
  world.tick();
  pod().uptime = 1s;
  world.tick();
  world.pods.clear();
  world.tick();
  EXPECT_EQ(reason_of<FailWorker>(world.tick()), "its pod is missing from two complete lists");
}

TEST(RestartedAgents, AreSettledBySeeingThatNothingWasLost) {
  World world;
  world.settings.max_active = 1;
  world.settings.task_stuck_timeout = 100h;
  Worker& worker = world.busy(10s);
  worker.agent_uptime = 1000s;
  world.run(5s);
  worker.agent_uptime = 60s;
  EXPECT_TRUE(world.tick().actions.empty());
  EXPECT_FALSE(world.memory.workers.at(worker.id).agent_restarted);
  world.snapshot.running.front().running_for = 1h;  // the database's clock jumps
  EXPECT_TRUE(world.tick().actions.empty());
}

TEST(Working, IsNotJudgedByOlderListsWhileTheNewestIsNotComplete) {
  World world;
  world.settings.max_active = 1;
  world.busy();
  world.run(10s);
  world.pods.clear();
  world.run(10s);  // missing twice, but heard
  world.list_complete = false;
  EXPECT_TRUE(world.run(60s, false).actions.empty());
  world.list_complete = true;
  EXPECT_EQ(actions<FailWorker>(world.run(5s, false)).size(), 1U);
}

TEST(RestartedAgents, AnswerForTheirOwnTasksOnly) {
  World world;
  world.settings.max_active = 2;
  Worker& worker = world.busy(10s);
  world.busy(1000s);
  worker.agent_uptime = 500s;
  world.run(5s);
  worker.agent_uptime = 60s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.agent_uptime = 2s;
  EXPECT_EQ(reason_of<FailWorker>(world.tick()),
            "its container has restarted 3s ago (the agent's uptime went back) under task " +
                worker.tasks.front().str());
}

/// A task that has run for too long, and a daemon that has just begun to look.
struct LongTask : testing::Test {
  World world;
  LongTask() {
    world.settings.max_active = 1;
    world.busy(1h);
  }
  Plan look() { return world.run(5s); }
};

TEST_F(LongTask, IsActedOnFromTheThirdCompleteReadOn) {
  for (int i = 0; i < 2; ++i) {
    const Plan plan = look();
    EXPECT_TRUE(actions<FailWorker>(plan).empty());
    ASSERT_NE(gate(plan, "observer"), nullptr);
    EXPECT_EQ(gate(plan, "observer")->reason, "1 long task is left alone: the database was out a moment ago");
  }
  const Plan plan = look();
  EXPECT_EQ(actions<FailWorker>(plan).size(), 1U);
  EXPECT_EQ(gate(plan, "observer"), nullptr);
  EXPECT_EQ(reason_of<FailWorker>(plan), "task task-1 (render) has run for 1h 0m (20m 0s at most)");
}

TEST_F(LongTask, IsLeftAloneWithoutACompleteList) {
  world.settle();
  world.list_complete = false;
  EXPECT_TRUE(look().actions.empty());
  world.list_complete = true;
  EXPECT_EQ(actions<FailWorker>(look()).size(), 1U);
}

TEST_F(LongTask, IsLeftAloneWhereItsWorkerIsUnknownBusyOrNotWatched) {
  world.settle();
  Worker& worker = world.snapshot.workers.front();
  world.in_flight = {worker.id};
  EXPECT_TRUE(look().actions.empty());
  world.in_flight.clear();
  world.snapshot.running.front().worker = world.name(99);
  EXPECT_TRUE(look().actions.empty());
  world.snapshot.running.front().worker = worker.id;
  worker.status = WorkerStatus::spawning;
  worker.phase = Phase::awaiting_heartbeat;
  worker.heartbeat_age.reset();
  worker.age = worker.phase_age = 10s;
  EXPECT_TRUE(look().actions.empty());
}

TEST_F(LongTask, DoesNotKeepAShorterOneFromBeingSeen) {
  world.settle();
  RunningTask other = world.snapshot.running.front();
  other.type = "nightly_orchestrator";
  world.snapshot.running.insert(world.snapshot.running.begin(), other);
  other.type = "render";
  other.running_for = 1s;
  world.snapshot.running.insert(world.snapshot.running.begin(), other);
  EXPECT_EQ(actions<FailWorker>(look()).size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::policy
