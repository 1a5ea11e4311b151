#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/cost_limit.hpp"
#include "policy/reaping.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(DeletePause, HasNoEndOfItsOwnBeforeSixteenDoublings) {
  EXPECT_EQ(delete_pause(0, 10s), 10s);
  EXPECT_EQ(delete_pause(16, 1ms), Duration(32'768ms));
  EXPECT_EQ(delete_pause(17, 1ms), Duration(65'536ms));
  EXPECT_EQ(delete_pause(18, 1ms), Duration(65'536ms));
  EXPECT_EQ(delete_pause(1, 400s), Duration(400s));  // an operator's longer pause stays
  EXPECT_EQ(delete_pause(2, 400s), Duration(400s));
}

TEST(DeletePause, IsNotShortenedByADeleteThatWasAccepted) {
  Memory memory;
  const MonoTime now{1000s};
  memory.deletes[PodId("a")].next = now + 60s;
  note_deleted(memory, PodId("a"), now);
  note_deleted(memory, PodId("b"), now);
  EXPECT_EQ(memory.deletes[PodId("a")].next, now + 60s);
  EXPECT_EQ(memory.deletes[PodId("b")].next, now);
  EXPECT_TRUE(memory.deletes[PodId("a")].accepted && memory.deletes[PodId("b")].accepted);
}

TEST(FailedWorkers, WhoseDeleteWasLostHaveItRepeatedAtOnce) {
  World world;
  Worker& worker = world.row(WorkerStatus::error, Phase::deleting, 1000s);
  world.pod_of(worker);
  worker.phase_age = 9'999ms;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age = 10s;  // not the longer time of a crash bundle
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeletePod>(plan).size(), 1U);
  EXPECT_EQ(reason_of<DeletePod>(plan), "the pod is still there 10s after its first delete");
}

TEST(FailedWorkers, WithoutAPodEndWhenNoneCanComeAnyMore) {
  World world;
  world.row(WorkerStatus::error, Phase::collecting, 1h).phase_age = 1h;
  EXPECT_TRUE(world.run(300s).actions.empty());
  const Plan plan = world.run(5s);
  EXPECT_EQ(actions<ConfirmGone>(plan).size(), 1U);
  EXPECT_EQ(reason_of<ConfirmGone>(plan), "it has no pod");
}

TEST(FailedWorkers, WhosePodIsInNoListHaveItDeletedByIdFirst) {
  World world;
  Worker& worker = world.row(WorkerStatus::error, Phase::collecting, 1h);
  worker.phase_age = 20s;
  worker.pod = PodId("p1");
  Plan plan = world.tick();
  ASSERT_EQ(actions<DeletePod>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(reason_of<DeletePod>(plan), "its pod is in no list; it is deleted by its id all the same");
  worker.phase = Phase::deleting;
  plan = world.tick();
  ASSERT_EQ(actions<ConfirmGone>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(reason_of<ConfirmGone>(plan), "its pod is missing from two complete lists");
}

TEST(DrainingWorkers, SayWhyTheyEnd) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::draining, 1000s);
  world.pod_of(worker);
  EXPECT_EQ(reason_of<DeletePod>(world.tick()), "drained");
  World late;
  Worker& stuck = late.row(WorkerStatus::terminating, Phase::draining, 1000s);
  late.pod_of(stuck);
  stuck.tasks = {TaskId("t1")};
  stuck.heartbeat_age = 1s;
  stuck.phase_age = 601s;
  const Plan plan = late.tick();
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::task_stuck);
  EXPECT_EQ(reason_of<FailWorker>(plan),
            "still at task t1 10m 1s after it was asked to drain (10m 0s at most)");
}

TEST(DrainingWorkers, ThatDrainForMoneyHaveTheTimeOfATask) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::draining, 10000s);
  world.pod_of(worker);
  worker.tasks = {TaskId("t1")};
  worker.heartbeat_age = 1s;
  worker.drain_reason = std::string(kCostDrain) + " 5 $/h";
  worker.phase_age = 1200s;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age += 1ms;
  EXPECT_EQ(actions<FailWorker>(world.tick()).size(), 1U);
  world.settings.shutdown_timeout = 2000s;  // the longer of the two
  world.memory = {};
  EXPECT_TRUE(world.tick().actions.empty());
}

/// A worker with its pod, and another pod of its name.
struct SecondPod : testing::Test {
  World world;
  SecondPod() {
    world.settings.max_active = 1;
    world.busy();
    world.stray("second", worker().id.str());
  }
  Worker& worker() { return world.snapshot.workers.front(); }
  std::size_t deleted() {
    world.run(5s);
    return actions<DeleteOrphan>(world.run(5s)).size();
  }
};

TEST_F(SecondPod, GoesWhileTheOwnOneIsListed) {
  world.run(5s);
  EXPECT_EQ(reason_of<DeleteOrphan>(world.run(5s)),
            "a second pod of " + worker().id.str() + ", whose own pod is " + worker().pod.str());
}

TEST_F(SecondPod, StaysWhileAnActionOnTheWorkerRuns) {
  world.stray("third", worker().id.str());
  world.in_flight = {worker().id};
  EXPECT_EQ(deleted(), 0U);
  world.in_flight.clear();
  EXPECT_EQ(deleted(), 2U);
}

TEST_F(SecondPod, StaysWhileTheOwnOneBearsAnotherName) {
  world.pods.front().name = "renamed";
  EXPECT_EQ(deleted(), 0U);
}

TEST_F(SecondPod, OfAWorkerThatIsOverGoesWhateverItsOwnOne) {
  for (const WorkerStatus status : {WorkerStatus::error, WorkerStatus::terminating}) {
    world.memory = {};
    world.remove_pod(worker().pod);
    worker().status = status;
    worker().phase = Phase::deleting;
    worker().phase_age = 0s;
    world.run(5s);
    EXPECT_EQ(actions<DeleteOrphan>(world.run(4s)).size(), 1U) << to_string(status);
  }
}

TEST_F(SecondPod, OfANameThatIsNotOurOwnersStays) {
  const std::string theirs = "gpu-other-20261124000000-00000001";
  worker().id = WorkerId(theirs);
  for (Pod& pod : world.pods) pod.name = theirs;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(deleted(), 0U);
}

TEST(Orphans, AreSightedAcrossAListThatWasNotComplete) {
  World world;
  world.stray("p1", world.name(5).str());
  world.run(5s);
  world.list_complete = false;
  EXPECT_TRUE(world.run(60s).actions.empty());
  world.list_complete = true;
  const Plan plan = world.run(5s);
  EXPECT_EQ(actions<DeleteOrphan>(plan).size(), 1U);
  EXPECT_EQ(reason_of<DeleteOrphan>(plan), "no worker of that name lives; seen in two complete lists");
}

TEST(Undeletable, NamesThreePodsAndCountsTheOthers) {
  const auto told = [](int pods) {
    World world;
    for (int i = 0; i < pods; ++i) {
      Worker& worker = world.row(WorkerStatus::terminating, Phase::deleting, 1h);
      worker.id = world.name(i);
      worker.phase_age = 600s;
      world.stray(fmt::format("p{}", i), worker.id.str());
      worker.pod = PodId(fmt::format("p{}", i));
    }
    const Plan plan = world.tick();
    const std::string prefix = "still there, and billing, after many deletes: ";
    const Gate* found = gate(plan, "undeletable");
    return found == nullptr ? std::string() : found->reason.substr(prefix.size());
  };
  const auto one = [](int n) { return fmt::format("p{} (gpu-default-20261124000000-{:08x})", n, n); };
  EXPECT_EQ(told(0), "");
  EXPECT_EQ(told(1), one(0));
  EXPECT_EQ(told(3), one(0) + ", " + one(1) + ", " + one(2));
  EXPECT_EQ(told(4), one(0) + ", " + one(1) + ", " + one(2) + " and 1 more");
  EXPECT_EQ(told(5), one(0) + ", " + one(1) + ", " + one(2) + " and 2 more");
}

TEST(Undeletable, IsNoPodWhoseFirstDeleteIsYetToCome) {
  World world;
  note_deleted(world.memory, PodId("p1"), world.now);  // by the row's own worker, which has ended since
  world.stray("p1", world.name(5).str());
  EXPECT_EQ(gate(world.tick(), "undeletable"), nullptr);
}

TEST(Undeletable, IsNotAPodThatIsGone) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::deleting, 1h);
  worker.phase_age = 1h;
  worker.pod = PodId("p1");
  EXPECT_EQ(gate(world.tick(), "undeletable"), nullptr);
}

TEST(Intents, SayWhyTheyAreAbandoned) {
  World world;
  world.row(WorkerStatus::spawning, Phase::intent, 1h);
  world.run(300s);
  EXPECT_EQ(reason_of<AbandonIntent>(world.run(5s)),
            "nobody knows whether its pod was asked for, and no pod has shown for 5m 0s");
  World ambiguous;
  ambiguous.row(WorkerStatus::spawning, Phase::unknown, 400s);
  ambiguous.run(5s);
  EXPECT_EQ(reason_of<AbandonIntent>(ambiguous.run(5s)),
            "the create was ambiguous 6m 50s ago and no pod has shown since");
  World unused;
  unused.memory.without_pod[unused.row(WorkerStatus::spawning, Phase::intent, 1s).id] = unused.now;
  EXPECT_EQ(reason_of<AbandonIntent>(unused.tick()), "surely no pod came of it");
}

TEST(Intents, ThatWereNeverUsedAreRememberedForAnHour) {
  World world;
  world.memory.without_pod[world.name(9)] = world.now;
  world.pass(1h);
  world.tick();
  EXPECT_EQ(world.memory.without_pod.size(), 1U);
  world.pass(1ms);
  world.tick();
  EXPECT_TRUE(world.memory.without_pod.empty());
}

TEST(Rescue, SaysWhatItRescuesAndWhyItWaits) {
  World one;
  one.snapshot.rescuable = 1;
  EXPECT_EQ(actions<RescueTasks>(one.tick()).size(), 1U);
  World world;
  world.snapshot.rescuable = 2;
  EXPECT_EQ(reason_of<RescueTasks>(world.tick()), "2 tasks in progress have no live worker");
  world.pass(60s);
  const Plan plan = world.tick();  // an outage has just ended
  EXPECT_TRUE(actions<RescueTasks>(plan).empty());
  ASSERT_NE(gate(plan, "observer"), nullptr);
  EXPECT_EQ(gate(plan, "observer")->reason,
            "2 tasks without a live worker wait: the database was out a moment ago");
}

}  // namespace
}  // namespace gpuwarden::policy
