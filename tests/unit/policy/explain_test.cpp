#include "gpuwarden/policy/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A world of the last tick and its story about one worker.
struct Teller {
  World world;
  Plan plan;

  void tick() { plan = world.tick(); }
  WorkerStory story(const WorkerId& id) const {
    for (const Worker& worker : world.snapshot.workers) {
      if (worker.id == id)
        return explain_worker(worker, world.snapshot, world.memory, plan, world.settings, world.now);
    }
    return {};
  }
  static const Deadline* deadline(const WorkerStory& story, const std::string& setting) {
    for (const Deadline& one : story.deadlines) {
      if (one.setting == setting) return &one;
    }
    return nullptr;
  }
};

std::vector<std::string> steps(World& world) {
  return world.tick().scale.steps;
}

TEST(Steps, LeadFromTheQueueToTheWantedSize) {
  World world;
  world.snapshot.queue.queued = 14;
  world.snapshot.queue.running = 2;
  EXPECT_THAT(steps(world),
              ElementsAre("14 queued + 2 running = 16 tasks",
                          "at 1 a GPU (TASKS_PER_GPU_THRESHOLD) x 1 (SCALE_UP_MULTIPLIER): 16 GPUs",
                          "at most 10 (MAX_ACTIVE_GPUS): 10",
                          "more than 10 are too many (SCALE_DOWN_MULTIPLIER 0.9)"));
}

TEST(Steps, NameBufferAndFloorOnlyWhereTheyMatter) {
  World world;
  world.settings.tasks_per_gpu = 3;
  world.settings.keep_idle = 1;
  world.snapshot.queue.queued = 4;
  EXPECT_THAT(steps(world),
              ElementsAre("4 queued + 0 running = 4 tasks",
                          "at 3 a GPU (TASKS_PER_GPU_THRESHOLD) x 1 (SCALE_UP_MULTIPLIER): 2 GPUs",
                          "and 1 to keep idle (MACHINES_TO_KEEP_IDLE): 3",
                          "more than 3 are too many (SCALE_DOWN_MULTIPLIER 0.9)"));
  world.settings.min_active = 4;
  EXPECT_THAT(steps(world), Contains("at least 4 (MIN_ACTIVE_GPUS): 4"));
}

TEST(Steps, EndWithWhatTheTickWantsAlsoWhenTheFleetDrains) {
  World world;
  world.snapshot.queue.queued = 4;
  world.draining_all = true;
  EXPECT_THAT(steps(world), Contains("the gates below make it 0"));
}

TEST(Story, ASpawningWorkerHasItsTwoDeadlinesAndItsGrace) {
  Teller teller;
  const WorkerId id = teller.world.spawning(Phase::starting, 100s).id;
  teller.world.snapshot.queue.queued = 1;
  teller.tick();
  const WorkerStory story = teller.story(id);
  ASSERT_EQ(story.deadlines.size(), 3U);
  EXPECT_EQ(story.deadlines[0].setting, "SPAWNING_GRACE_PERIOD_SEC");
  EXPECT_EQ(story.deadlines[0].in, 80s);
  EXPECT_EQ(story.deadlines[1].setting, "PROVISION_TIMEOUT_SEC");
  EXPECT_EQ(story.deadlines[1].in, 800s);
  EXPECT_EQ(story.deadlines[1].then, "it fails as provision_timeout");
  EXPECT_EQ(story.deadlines[2].in, 1700s);
  EXPECT_FALSE(story.heartbeat_by_database);
  EXPECT_FALSE(story.heartbeat_by_us);
  EXPECT_THAT(story.because, Contains(HasSubstr("not failed: its deadlines have not passed")));
}

TEST(Story, TheCauseOfALateStartFollowsItsPhase) {
  Teller teller;
  const WorkerId id = teller.world.spawning(Phase::bootstrapping, 1790s, PodStatus::running).id;
  teller.world.bringing_up.insert(id);
  teller.tick();
  const WorkerStory story = teller.story(id);
  const Deadline* start = Teller::deadline(story, "SPAWNING_TIMEOUT_SEC");
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(start->in, 10s);
  EXPECT_EQ(start->then, "it fails as bootstrap_timeout");
  EXPECT_EQ(Teller::deadline(story, "PROVISION_TIMEOUT_SEC"), nullptr) << "its pod runs already";
}

TEST(Story, AnAmbiguousCreateIsGivenUpAfterItsTime) {
  Teller teller;
  const WorkerId id = teller.world.row(WorkerStatus::spawning, Phase::unknown, 100s).id;
  teller.tick();
  EXPECT_THAT(teller.story(id).deadlines, Contains(AllOf(Field(&Deadline::what, HasSubstr("ambiguous")),
                                                         Field(&Deadline::in, Duration(200s)))));
  const WorkerId intent = teller.world.row(WorkerStatus::spawning, Phase::intent, 100s).id;
  EXPECT_THAT(teller.story(intent).deadlines,
              Contains(Field(&Deadline::then, HasSubstr("first complete list"))));
  teller.tick();
  teller.world.pass(10s);
  teller.tick();
  EXPECT_THAT(teller.story(intent).deadlines,
              Contains(AllOf(Field(&Deadline::what, "a pod must show under its name"),
                             Field(&Deadline::in, Duration(50s)))));
}

TEST(Story, AnIdleWorkerIsToldWhenItMayBeLetGo) {
  Teller teller;
  const WorkerId id = teller.world.idle(20s).id;
  teller.world.snapshot.queue.queued = 1;
  teller.tick();
  const WorkerStory story = teller.story(id);
  EXPECT_EQ(Teller::deadline(story, "GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC")->in, 10s);
  EXPECT_EQ(Teller::deadline(story, "GPU_IDLE_TIMEOUT_SEC")->in, 580s);
  EXPECT_EQ(Teller::deadline(story, "HEARTBEAT_TIMEOUT_SEC")->in, 119s);
  EXPECT_THAT(story.because, Contains("It is not drained: 1 are wanted and 1 are there."));
  EXPECT_EQ(story.heartbeat_by_database, 1s);
  EXPECT_EQ(story.heartbeat_by_us, 0s);
}

TEST(Story, HeartbeatsAreToldByBothClocks) {
  Teller teller;
  const WorkerId id = teller.world.idle().id;
  teller.world.snapshot.queue.queued = 1;
  teller.tick();
  teller.world.pass(30s);
  teller.tick();
  WorkerStory story = teller.story(id);
  EXPECT_EQ(story.heartbeat_by_database, 31s);
  EXPECT_EQ(story.heartbeat_by_us, 30s);
  teller.world.snapshot.workers.front().heartbeat_age = 500s;  // the database's clock jumps
  story = teller.story(id);
  EXPECT_EQ(story.heartbeat_by_us, 30s);
  EXPECT_THAT(story.because, Contains(HasSubstr("silent for 8m 20s, and it is not failed on that alone")));
}

TEST(Story, ABusyWorkerIsNotDrainedAndItsTaskHasALimit) {
  Teller teller;
  const WorkerId id = teller.world.busy(1000s).id;
  teller.tick();
  WorkerStory story = teller.story(id);
  EXPECT_EQ(Teller::deadline(story, "TASK_STUCK_TIMEOUT_SEC")->in, 200s);
  EXPECT_THAT(story.because, Contains(HasSubstr("not drained: it works on task task-1")));
  teller.world.snapshot.running.front().type = "my_orchestrator_task";
  story = teller.story(id);
  const Deadline* exempt = Teller::deadline(story, "TASK_STUCK_EXEMPT");
  ASSERT_NE(exempt, nullptr);
  EXPECT_FALSE(exempt->in);
  EXPECT_EQ(story.deadlines.back().setting, "TASK_STUCK_EXEMPT") << "what has no end comes last";
}

TEST(Story, WhatThisTickDoesComesFirst) {
  Teller teller;
  const WorkerId id = teller.world.idle(40s).id;
  teller.tick();
  const WorkerStory story = teller.story(id);
  EXPECT_THAT(story.because.front(), HasSubstr("This tick: drain, because idle for 40s"));
}

TEST(Story, DrainingFailedAndDeletedWorkersSayWhatIsAwaited) {
  Teller teller;
  Worker& draining = teller.world.busy();
  draining.status = WorkerStatus::terminating;
  draining.phase = Phase::draining;
  draining.phase_age = 100s;
  draining.drain_reason = "surplus";
  const WorkerId leaving = draining.id;
  const WorkerId failed = teller.world.row(WorkerStatus::error, Phase::collecting, 5s).id;
  const WorkerId deleted = teller.world.row(WorkerStatus::error, Phase::deleting, 90s).id;
  teller.tick();
  EXPECT_EQ(Teller::deadline(teller.story(leaving), "GRACEFUL_SHUTDOWN_TIMEOUT_SEC")->in, 500s);
  EXPECT_THAT(teller.story(leaving).because, Contains("It is draining: surplus"));
  EXPECT_EQ(teller.story(failed).deadlines.at(0).in, 15s);
  EXPECT_THAT(teller.story(failed).because, Contains("Its pod is deleted once its crash bundle is in."));
  EXPECT_EQ(teller.story(deleted).deadlines.at(0).in, 510s);
  EXPECT_THAT(teller.story(deleted).because, Contains(HasSubstr("deleted 1m 30s ago")));
}

TEST(Story, AWorkerThatWasNeverWatchedHasNoWatch) {
  World world;
  Worker stranger = world.idle();
  stranger.id = WorkerId("gpu-stranger");
  const WorkerStory story =
      explain_worker(stranger, world.snapshot, Memory(), Plan(), world.settings, world.now);
  EXPECT_FALSE(story.watched_for);
  EXPECT_FALSE(story.heartbeat_by_us);
  EXPECT_THAT(story.deadlines, Not(IsEmpty()));
}

}  // namespace
}  // namespace gpuwarden::policy
