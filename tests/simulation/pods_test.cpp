#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/cloud_world.hpp"
#include "simulation/script_run.hpp"

namespace gpuwarden::simulation {
namespace {

using testing::HasSubstr;
using Kind = RuntimeFault::Kind;

TEST(SimulatedPod, ComesUpReportsItsStepsClaimsAndCompletes) {
  CloudWorld world;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.created(worker);
  world.pass(1min);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  pod->container->launch(*read_launch_payload(world.launch_payload(worker)));
  world.pass(20s);
  EXPECT_EQ(world.row(worker).step, "setup");
  world.pass(40s);
  ASSERT_TRUE(pod->first_heartbeat);
  EXPECT_TRUE(pod->health().works());
  EXPECT_TRUE(pod->health().busy);
  EXPECT_EQ(world.task(task).status, "In Progress");
  world.pass(1min);
  EXPECT_EQ(world.task(task).status, "Complete");
  EXPECT_EQ(world.task(task).completions, 1);
  EXPECT_FALSE(pod->health().busy);
}

TEST(SimulatedPod, SendsAHeartbeatEachInterval) {
  CloudWorld world;
  const std::string worker = world.registered(1);
  world.working(worker);
  world.pass(10min);
  EXPECT_GE(world.row(worker).heartbeat_at, world.scheduler.wall() - 20s);
  world.reachable = false;
  const WallTime last = world.row(worker).heartbeat_at;
  world.pass(5min);
  EXPECT_EQ(world.row(worker).heartbeat_at, last);
  world.reachable = true;
  world.pass(20s);
  EXPECT_GT(world.row(worker).heartbeat_at, last) << "it tries at least once in an interval";
}

TEST(SimulatedPod, ReportsACrashWithCodeSignalAndTail) {
  CloudWorld world;
  world.pod_fate.faults = {{Kind::crash, 5min}};
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  EXPECT_TRUE(world.row(worker).crash.is_null());
  world.pass(5min);
  EXPECT_TRUE(world.row(worker).crash.is_object());
  EXPECT_GE(world.row(worker).crash.at("exit_code"), 1);
  EXPECT_FALSE(world.row(worker).crash.at("tail").empty());
  EXPECT_FALSE(pod->health().process);
  EXPECT_TRUE(pod->exists());
}

TEST(SimulatedPod, DeliversACrashAfterAnOutageOfTheDatabase) {
  CloudWorld world;
  world.pod_fate.faults = {{Kind::crash, 5min}, {Kind::network_down, 4min, 10min}};
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.pass(*pod->running_since + 13min + 59s - world.scheduler.now());
  EXPECT_FALSE(pod->health().process);
  EXPECT_TRUE(world.row(worker).crash.is_null());
  world.pass(1min);
  EXPECT_TRUE(world.row(worker).crash.is_object());
}

TEST(SimulatedPod, HangsWithHeartbeatsThatGoOn) {
  CloudWorld world;
  world.task_fate.outcome = TaskFate::Outcome::never_ends;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.cloud.wake_workers();
  world.pass(2h);
  EXPECT_EQ(world.task(task).status, "In Progress");
  EXPECT_TRUE(pod->health().hung);
  EXPECT_FALSE(pod->health().works());
  EXPECT_GE(world.row(worker).heartbeat_at, world.scheduler.wall() - 20s);
}

TEST(SimulatedPod, WorksOnWhileItsHeartbeatsStayAway) {
  CloudWorld world;
  world.pod_fate.faults = {{Kind::heartbeats_stop, 5min}};
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.pass(10min);
  EXPECT_LT(world.row(worker).heartbeat_at, world.scheduler.wall() - 4min);
  EXPECT_TRUE(pod->health().works());
  EXPECT_FALSE(pod->health().agent);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.pass(2min);
  EXPECT_EQ(world.task(task).status, "Complete");
}

TEST(SimulatedPod, DiesOfATaskAgainAndAgain) {
  CloudWorld world;
  world.task_fate.outcome = TaskFate::Outcome::kills_worker;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.pass(3min);
  EXPECT_FALSE(pod->health().process);
  EXPECT_TRUE(world.row(worker).crash.is_object());
  EXPECT_EQ(world.task(task).status, "In Progress");
}

TEST(SimulatedPod, GivesATaskBackThatItCannotDo) {
  CloudWorld world;
  world.task_fate.outcome = TaskFate::Outcome::fails;
  const std::string worker = world.registered(1);
  world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.pass(1h);
  EXPECT_EQ(world.task(task).status, "Failed");
  EXPECT_THAT(world.task(task).error, HasSubstr("prompt is empty"));
}

TEST(SimulatedPod, RepeatsACompletionWhoseAnswerWasLostAndItCountsOnce) {
  CloudWorld world;
  world.pod_fate.echo = 10min;
  const std::string worker = world.registered(1);
  world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.cloud.wake_workers();
  world.pass(30s);
  world.reply_lost = true;
  world.pass(2min);
  EXPECT_EQ(world.task(task).status, "Complete");
  world.reply_lost = false;
  world.pass(1h);
  EXPECT_EQ(world.task(task).completions, 1);
  EXPECT_EQ(world.probes.counts().at("worker: request arrives once more"), 1U);
}

TEST(SimulatedPod, CompletesLateAlthoughItsPodIsGone) {
  CloudWorld world;
  world.pod_fate.stalled = 10min;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.cloud.wake_workers();
  world.pass(2min);
  EXPECT_EQ(world.task(task).status, "In Progress") << "the completion is under way";
  world.cloud.vanish(pod);
  world.pass(10min);
  EXPECT_EQ(world.task(task).status, "Complete");
}

TEST(SimulatedPod, ItsLateCompletionIsRefusedOnceTheTaskWasTakenBack) {
  CloudWorld world;
  world.pod_fate.stalled = 10min;
  const std::string worker = world.registered(1);
  world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.cloud.wake_workers();
  world.pass(2min);
  world.fail(worker);
  EXPECT_EQ(world.task(task).status, "Queued");
  world.pass(10min);
  EXPECT_EQ(world.task(task).completions, 0);
  EXPECT_EQ(world.probes.counts().at("worker: stale completion refused"), 1U);
}

TEST(SimulatedPod, ObeysDrainAndStop) {
  CloudWorld world;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.change(worker, {{"status", "terminating"}, {"drain_reason", "test"}});
  world.pass(20s);
  EXPECT_EQ(world.probes.counts().count("pod: directive drain"), 1U);
  world.database.add_task("image", world.scheduler.wall());
  world.pass(5min);
  EXPECT_FALSE(pod->health().busy);
  EXPECT_TRUE(pod->health().process);
  world.change(worker, {{"status", "error"}});
  world.pass(20s + 10s);
  EXPECT_FALSE(pod->health().process);
  EXPECT_TRUE(world.row(worker).crash.is_null()) << "who was told to stop has not crashed";
}

TEST(SimulatedPod, DeletesItselfWhenNobodyAnswersForItsLease) {
  CloudWorld world;
  world.settings.pod_lease = 10min;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.reachable = false;
  const MonoTime contact = world.scheduler.now();
  world.pass(10min - 21s);
  EXPECT_TRUE(pod->exists());
  world.pass(22s);
  EXPECT_FALSE(pod->exists());
  EXPECT_EQ(pod->ended_by, "self");
  EXPECT_LE(*pod->ended, contact + 10min);
}

TEST(SimulatedPod, KeepsAPodWithATaskBeyondItsLease) {
  CloudWorld world;
  world.settings.pod_lease = 10min;
  world.task_fate.duration = 1h;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.database.add_task("image", world.scheduler.wall());
  world.cloud.wake_workers();
  world.pass(1min);
  world.reachable = false;
  world.pass(50min);
  EXPECT_TRUE(pod->health().works());
}

TEST(SimulatedPod, WithoutAKeyTheLeaseEndsOnlyTheContainer) {
  CloudWorld world;
  world.pod_fate.has_own_key = false;
  world.settings.pod_lease = 10min;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.reachable = false;
  world.pass(11min);
  EXPECT_TRUE(pod->exists());
  EXPECT_EQ(pod->state, PodStatus::exited);
}

TEST(SimulatedPod, FailsInPreflightWithATokenThatTheDatabaseDoesNotKnow) {
  CloudWorld world;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.created(worker);
  world.pass(1min);
  pod->container->launch(*read_launch_payload(world.launch_payload(worker, "another-token-0123456789")));
  world.pass(1min);
  EXPECT_THAT(pod->container->run_of(worker)->status(), HasSubstr("\"check\":\"credentials\""));
  EXPECT_FALSE(pod->first_heartbeat);
}

TEST(SimulatedPod, LivesTheSameLifeEachTime) {
  const auto hash = [] {
    CloudWorld world;
    world.pod_fate.faults = {{Kind::out_of_memory, 7min}};
    world.working(world.registered(1));
    for (int n = 0; n < 5; ++n) world.database.add_task("image", world.scheduler.wall());
    world.pass(1h);
    return std::pair(world.trace.hash(), world.scheduler.events_run());
  };
  EXPECT_EQ(hash(), hash());
}

}  // namespace
}  // namespace gpuwarden::simulation
