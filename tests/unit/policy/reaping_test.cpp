#include "policy/reaping.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

Worker& ending(World& world, WorkerStatus status, Phase phase, Duration phase_age) {
  Worker& worker = world.row(status, phase, 1000s);
  worker.phase_age = phase_age;
  world.pod_of(worker);
  return worker;
}

TEST(DeletePause, DoublesUpToFiveMinutes) {
  EXPECT_EQ(delete_pause(1, 10s), 10s);
  EXPECT_EQ(delete_pause(2, 10s), 20s);
  EXPECT_EQ(delete_pause(5, 10s), 160s);
  EXPECT_EQ(delete_pause(6, 10s), 300s);
  EXPECT_EQ(delete_pause(1000, 10s), 300s);
}

TEST(DrainedWorkers, AreDeletedOnceTheyHaveNoTask) {
  World world;
  Worker& worker = ending(world, WorkerStatus::terminating, Phase::draining, 10s);
  worker.drain_reason = "idle for 10m";
  worker.tasks = {TaskId("t1")};
  worker.heartbeat_age = 1s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.tasks.clear();
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeletePod>(plan).size(), 1U);
  EXPECT_EQ(actions<DeletePod>(plan).front().pod, worker.pod);
  EXPECT_EQ(reason_of<DeletePod>(plan), "drained: idle for 10m");
}

TEST(DrainingWorkers, ThatDoNotFinishInTimeFreeTheirTaskFirst) {
  World world;
  Worker& worker = ending(world, WorkerStatus::terminating, Phase::draining, 600s);
  worker.tasks = {TaskId("t1")};
  worker.heartbeat_age = 1s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age = 600'001ms;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_TRUE(actions<DeletePod>(plan).empty());
}

TEST(FailedWorkers, AreDeletedWhenTheirCrashBundleTookTooLong) {
  World world;
  Worker& worker = ending(world, WorkerStatus::error, Phase::collecting, 19'999ms);
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age = 20s;
  EXPECT_EQ(actions<DeletePod>(world.tick()).size(), 1U);
}

TEST(Deletes, AreRepeatedWithGrowingPausesForEver) {
  World world;
  ending(world, WorkerStatus::terminating, Phase::deleting, 10s);
  std::vector<MonoTime> tries;
  for (int i = 0; i < 1000; ++i) {
    if (!actions<DeletePod>(world.run(5s)).empty()) tries.push_back(world.now);
  }
  ASSERT_GE(tries.size(), 15U);
  EXPECT_EQ(tries[1] - tries[0], Duration(10s));
  EXPECT_EQ(tries[2] - tries[1], Duration(20s));
  EXPECT_EQ(tries.back() - tries[tries.size() - 2], Duration(300s));
}

TEST(Deletes, ThatWereJustSentAreGivenTheirTime) {
  World world;
  Worker& worker = ending(world, WorkerStatus::terminating, Phase::deleting, 9'999ms);
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age = 10s;
  EXPECT_EQ(actions<DeletePod>(world.tick()).size(), 1U);
}

TEST(Deletes, WithoutEffectForTenMinutesRaiseAnAlarmThatStays) {
  World world;
  Worker& worker = ending(world, WorkerStatus::error, Phase::deleting, 599'999ms);
  EXPECT_EQ(gate(world.tick(), "undeletable"), nullptr);
  worker.phase_age = 600s;
  const Plan plan = world.tick();
  ASSERT_NE(gate(plan, "undeletable"), nullptr);
  EXPECT_NE(gate(plan, "undeletable")->reason.find(worker.pod.str()), std::string::npos);
  world.run(24h);
  EXPECT_NE(gate(world.tick(), "undeletable"), nullptr);
}

TEST(Gone, IsWhatTwoCompleteListsLack) {
  for (const WorkerStatus status : {WorkerStatus::terminating, WorkerStatus::error}) {
    World world;
    Worker& worker = ending(world, status, Phase::deleting, 60s);
    world.tick();
    world.remove_pod(worker.pod);
    EXPECT_TRUE(world.tick().actions.empty());
    world.list_complete = false;
    EXPECT_TRUE(world.run(1h).actions.empty());
    world.list_complete = true;
    const Plan plan = world.tick();
    ASSERT_EQ(actions<ConfirmGone>(plan).size(), 1U) << words(plan);
    EXPECT_EQ(actions<ConfirmGone>(plan).front().worker, worker.id);
  }
}

TEST(Gone, IsNotBelievedOfAPodThatLateListsMayLack) {
  World world;
  Worker& worker = ending(world, WorkerStatus::terminating, Phase::deleting, 5s);
  world.remove_pod(worker.pod);
  worker.age = 299'999ms;
  world.tick();
  EXPECT_TRUE(world.tick().actions.empty());
  worker.age = 300s;
  EXPECT_EQ(actions<ConfirmGone>(world.tick()).size(), 1U);
}

TEST(Gone, NeedsTheListLagWhereNoPodIdIsKnown) {
  World world;
  world.row(WorkerStatus::error, Phase::deleting, 1h);
  EXPECT_TRUE(world.run(300s).actions.empty());
  EXPECT_EQ(actions<ConfirmGone>(world.run(5s)).size(), 1U);
}

TEST(FailedWorkers, WhosePodShowsLateHaveItDeletedByName) {
  World world;
  Worker& worker = world.row(WorkerStatus::error, Phase::deleting, 1h);
  world.stray("late", worker.id.str());
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeletePod>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DeletePod>(plan).front().pod, PodId("late"));
}

TEST(Orphans, AreDeletedWhenSeenInTwoCompleteLists) {
  World world;
  world.stray("p1", world.name(5).str());
  EXPECT_TRUE(world.tick().actions.empty());
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeleteOrphan>(plan).size(), 1U);
  EXPECT_EQ(actions<DeleteOrphan>(plan).front().name, world.name(5).str());
  EXPECT_TRUE(world.run(5s).actions.empty());  // the delete is given its time
  EXPECT_EQ(actions<DeleteOrphan>(world.run(5s)).size(), 1U);
}

TEST(Orphans, ThatDisappearBetweenSightingsStartAnew) {
  World world;
  world.stray("p1", world.name(5).str());
  world.tick();
  const auto pods = world.pods;
  world.pods.clear();
  world.tick();
  world.pods = pods;
  EXPECT_TRUE(world.tick().actions.empty());
}

const std::string kDoctorPod = "gpu-default-doctor-20261124014840";

Plan after(World& world, Duration duration) {
  world.pass(duration);
  return world.tick();
}

TEST(DoctorPods, AreLeftAloneUntilTheyHaveBeenSeenForFifteenMinutes) {
  World world;
  world.stray("pod-d", kDoctorPod, PodStatus::provisioning);
  EXPECT_TRUE(world.tick().actions.empty());
  EXPECT_TRUE(actions<DeleteOrphan>(after(world, 15min - 1ms)).empty());
  const Plan plan = after(world, 1ms);
  ASSERT_EQ(actions<DeleteOrphan>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DeleteOrphan>(plan).front().pod, PodId("pod-d"));
  EXPECT_EQ(reason_of<DeleteOrphan>(plan), "left behind by doctor --pod, 15m 0s old");
  EXPECT_TRUE(actions<DeleteOrphan>(after(world, 1ms)).empty()) << "deletes are repeated with pauses";
  EXPECT_EQ(actions<DeleteOrphan>(after(world, 10s)).size(), 1U);
}

TEST(DoctorPods, TakeNoPlaceInTheFleet) {
  for (const bool beside : {false, true}) {
    World world;
    world.snapshot.queue.queued = 1;
    world.settings.max_active = 1;
    if (beside) world.stray("pod-d", kDoctorPod);
    EXPECT_EQ(actions<SpawnWorker>(world.run(5s)).size(), 1U) << beside;
  }
}

TEST(DoctorPods, AreAsOldAsTheirContainerWhereADaemonHasJustBegun) {
  for (const auto& [uptime, deletes] :
       {std::pair<Duration, std::size_t>{15min - 1ms, 0U}, {15min, 1U}, {15min + 1ms, 1U}}) {
    World world;
    world.stray("pod-d", kDoctorPod).uptime = uptime;
    EXPECT_EQ(actions<DeleteOrphan>(world.tick()).size(), deletes) << uptime.count();
  }
}

TEST(DoctorPods, OfAnotherOwnerAreNotOurs) {
  World world;
  world.stray("pod-d", "gpu-other-doctor-20261124014840").uptime = 24h;
  EXPECT_TRUE(after(world, 1h).actions.empty());
}

TEST(DoctorPods, ThatWereMissingFromTheListAreNewAgain) {
  World world;
  world.stray("pod-d", kDoctorPod, PodStatus::provisioning);
  world.tick();
  after(world, 14min);
  world.remove_pod(PodId("pod-d"));
  after(world, 1min);
  world.stray("pod-d", kDoctorPod, PodStatus::provisioning);
  EXPECT_TRUE(actions<DeleteOrphan>(after(world, 1min)).empty());
}

TEST(Orphans, AreNotThoseOfOthers) {
  World world;
  for (const char* name :
       {"gpu-20251015000000-abcdef01", "gpu-other-20261124000000-00000001", "gpu-default-1", "my-pod", "",
        "gpu-default-20261124000000-0000000G", "gpu-default-20261124000000-00000001-x"})
    world.stray(fmt::format("p{}", world.pods.size()), name);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(world.run(5s).actions.empty());
}

TEST(Orphans, AreNotThosePodsWhoseSpawnIsStillUnderWay) {
  World world;
  world.stray("p1", world.name(5).str());
  world.in_flight = {world.name(5)};
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(world.run(5s).actions.empty());
}

TEST(ForeignNames, ProtectEvenAPodThatOurRowNames) {
  World world;
  Worker& worker = ending(world, WorkerStatus::terminating, Phase::deleting, 1h);
  world.pods.front().name = "renamed-by-the-operator";
  const Plan plan = world.run(1h);
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "foreign_name"), nullptr);
  EXPECT_NE(gate(plan, "foreign_name")->reason.find(worker.pod.str()), std::string::npos);
}

TEST(TerminatedPods, InTheListCountAsAbsent) {
  World world;
  ending(world, WorkerStatus::terminating, Phase::deleting, 60s);
  world.pods.front().status = PodStatus::terminated;
  world.tick();
  EXPECT_EQ(actions<ConfirmGone>(world.tick()).size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::policy
