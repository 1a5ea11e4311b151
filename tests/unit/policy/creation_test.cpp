#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(Case10, APodWhoseIdWasNeverWrittenDownIsAdoptedByName) {
  World world;  // a fresh process: no memory of the create
  Worker& worker = world.row(WorkerStatus::spawning, Phase::intent, 2s);
  world.stray("p1", worker.id.str());
  world.snapshot.queue.queued = 1;
  const Plan plan = world.tick();
  ASSERT_EQ(actions<AdoptPod>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<AdoptPod>(plan).front().worker, worker.id);
  EXPECT_EQ(actions<AdoptPod>(plan).front().pod, PodId("p1"));
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty());
}

TEST(Intents, WhoseCreateIsStillRunningAreLeftAlone) {
  World world;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::intent, 2s);
  world.stray("p1", worker.id.str());
  world.in_flight = {worker.id};
  for (int i = 0; i < 50; ++i) {
    const Plan plan = world.run(world.settings.poll);
    EXPECT_TRUE(plan.actions.empty()) << words(plan);
  }
}

TEST(Intents, WithoutAPodAreAbandonedAfterFiveMinutesOfCompleteLists) {
  World world;
  world.row(WorkerStatus::spawning, Phase::intent, 1h);  // however old: our own lists must lack it
  world.tick();
  world.pass(299'999ms);
  EXPECT_TRUE(actions<AbandonIntent>(world.tick()).empty());
  world.pass(1ms);
  const Plan plan = world.tick();
  EXPECT_EQ(actions<AbandonIntent>(plan).size(), 1U) << words(plan);
}

TEST(Intents, AreNotAbandonedByOneListHoweverLate) {
  World world;
  world.row(WorkerStatus::spawning, Phase::unknown, 24h);
  EXPECT_TRUE(actions<AbandonIntent>(world.tick()).empty());
  world.list_complete = false;
  EXPECT_TRUE(actions<AbandonIntent>(world.run(1h)).empty());
  world.list_complete = true;
  EXPECT_EQ(actions<AbandonIntent>(world.run(5s)).size(), 1U);
}

TEST(Intents, StartTheirWaitAnewWhenTheCreateEnds) {
  World world;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::intent, 1s);
  world.in_flight = {worker.id};
  world.run(10min);
  world.in_flight.clear();
  EXPECT_TRUE(actions<AbandonIntent>(world.run(300s)).empty());
  EXPECT_EQ(actions<AbandonIntent>(world.run(5s)).size(), 1U);
}

TEST(AmbiguousCreates, WaitFiveMinutesForThePodAndNeverAskTwice) {
  World world;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::unknown, 0s);
  world.snapshot.queue.queued = 1;
  for (int i = 0; i < 59; ++i) {
    const Plan plan = world.run(5s);
    EXPECT_TRUE(plan.actions.empty()) << words(plan);
  }
  worker.phase_age = 299'999ms;
  EXPECT_TRUE(world.tick().actions.empty());
  worker.phase_age = 300s;
  const Plan plan = world.tick();
  EXPECT_EQ(actions<AbandonIntent>(plan).size(), 1U) << words(plan);
}

TEST(AmbiguousCreates, AreAdoptedWhenThePodShowsAtLast) {
  World world;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::unknown, 0s);
  world.run(290s);
  world.stray("late", worker.id.str());
  const Plan plan = world.tick();
  ASSERT_EQ(actions<AdoptPod>(plan).size(), 1U);
  EXPECT_TRUE(actions<AbandonIntent>(plan).empty());
}

TEST(AmbiguousCreates, AfterWhichThePodComesWhenTheRowHasEndedLeaveAnOrphan) {
  World world;
  const WorkerId worker = world.name(1);
  world.snapshot.tombstones.push_back({worker, PodId{}, 10min});
  world.stray("late", worker.str());
  EXPECT_TRUE(actions<DeleteOrphan>(world.tick()).empty());
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeleteOrphan>(plan).size(), 1U);
  EXPECT_EQ(reason_of<DeleteOrphan>(plan), "it showed after its worker was terminated");
}

TEST(Duplicates, TheAdoptedPodStaysAndTheOtherGoes) {
  World world;
  Worker& worker = world.spawning();
  world.stray("second", worker.id.str());
  world.tick();
  const Plan plan = world.tick();
  ASSERT_EQ(actions<DeleteOrphan>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<DeleteOrphan>(plan).front().pod, PodId("second"));
}

TEST(Duplicates, OneOfTwoIsAdoptedAndNoneDeletedBefore) {
  World world;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::unknown, 1s);
  world.stray("b", worker.id.str());
  world.stray("a", worker.id.str());
  for (int i = 0; i < 5; ++i) {
    const Plan plan = world.tick();
    ASSERT_EQ(actions<AdoptPod>(plan).size(), 1U);
    EXPECT_EQ(actions<AdoptPod>(plan).front().pod, PodId("a"));  // the same one every time
    EXPECT_TRUE(actions<DeleteOrphan>(plan).empty());
  }
}

TEST(Duplicates, AreKeptWhileTheWorkersOwnPodIsMissing) {
  World world;
  Worker& worker = world.idle();
  world.settings.min_active = 1;
  const PodId own = worker.pod;
  world.stray("second", worker.id.str());
  world.remove_pod(own);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(world.run(5s).actions.empty());
}

}  // namespace
}  // namespace gpuwarden::policy
