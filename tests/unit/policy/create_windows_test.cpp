#include <algorithm>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

// Every window of a create that a crash, a lost answer or a second leader can fall into, as what the next
// ticks find of it, and what they make of it.

enum class Listed { none, pod };
struct Window {
  const char* name;
  WorkerStatus status;
  Phase phase;
  bool has_id;
  Listed pod;
  bool known_without_pod;
  Duration until_end;  ///< from the first look to the end of the row (or adoption)
  const char* action;
};

class Windows : public testing::TestWithParam<Window> {};

bool is(const Plan& plan, std::string_view name) {
  return std::any_of(plan.actions.begin(), plan.actions.end(),
                     [&](const PlannedAction& planned) { return action_name(planned.action) == name; });
}

TEST_P(Windows, EndWhenTheyMustAndNotBefore) {
  const Window& window = GetParam();
  World world;
  world.settings.max_active = 1;
  world.snapshot.queue.queued = 5;  // a second pod would be welcome
  Worker& worker = world.row(window.status, window.phase, 0s);
  if (window.has_id) worker.pod = PodId("p1");
  if (window.pod == Listed::pod) world.stray("p1", worker.id.str());
  if (window.known_without_pod) note_no_pod(world.memory, worker.id, world.now);
  Plan plan = world.tick();
  for (Duration passed{0}; passed < window.until_end; passed += 5s) {
    EXPECT_FALSE(is(plan, window.action)) << format_duration(passed) << "\n" << words(plan);
    EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << "it still counts: " << words(plan);
    plan = world.run(5s);
  }
  EXPECT_TRUE(is(plan, window.action)) << words(plan);
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
}

constexpr auto kSpawning = WorkerStatus::spawning;
constexpr auto kEnding = WorkerStatus::terminating;
INSTANTIATE_TEST_SUITE_P(
    Create, Windows,
    testing::Values(
        // intent written, process gone: it may have sent its POST
        Window{"IntentWithoutAPodExpires", kSpawning, Phase::intent, false, Listed::none, false, 300s,
               "abandon"},
        // intent written, answer lost, no POST: known to this process
        Window{"IntentThatWasNeverUsedExpiresAtOnce", kSpawning, Phase::intent, false, Listed::none, true, 0s,
               "abandon"},
        // POST done, id not written
        Window{"IntentWithAPodIsAdopted", kSpawning, Phase::intent, false, Listed::pod, false, 0s, "adopt"},
        Window{"UnknownWithAPodIsAdopted", kSpawning, Phase::unknown, false, Listed::pod, false, 0s, "adopt"},
        Window{"UnknownWithoutAPodExpires", kSpawning, Phase::unknown, false, Listed::none, false, 300s,
               "abandon"},
        // the row was ended while the POST was out
        Window{"EndedIntentWithAPodHasItDeleted", kEnding, Phase::draining, false, Listed::pod, false, 0s,
               "delete"},
        Window{"EndedIntentWithoutAPodWaitsForALateOne", kEnding, Phase::draining, false, Listed::none, false,
               300s, "confirm_gone"},
        Window{"EndedIntentThatWasNeverUsedEndsAtOnce", kEnding, Phase::draining, false, Listed::none, true,
               0s, "confirm_gone"},
        // the id is known, the lists are late
        Window{"EndedWorkerThatNoListShowsYetIsDeletedById", kEnding, Phase::draining, true, Listed::none,
               false, 0s, "delete"},
        Window{"DeletedWorkerThatNoListShowedIsGoneAfterTheLag", kEnding, Phase::deleting, true, Listed::none,
               false, 300s, "confirm_gone"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(DeletedPods, AreGoneAtTheSecondListOnceTheProviderHasSaidYes) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::deleting, 1s);
  worker.pod = PodId("p1");
  note_deleted(world.memory, worker.pod, world.now);
  EXPECT_TRUE(world.tick().actions.empty());
  EXPECT_EQ(actions<ConfirmGone>(world.tick()).size(), 1U);
}

TEST(DeletedPods, ThatNoListShowsAreDeletedAgainUntilTheProviderSaysYes) {
  World world;
  Worker& worker = world.row(WorkerStatus::terminating, Phase::deleting, 9'999ms);
  worker.pod = PodId("p1");
  EXPECT_TRUE(world.tick().actions.empty());
  world.pass(1ms);
  EXPECT_EQ(actions<DeletePod>(world.tick()).size(), 1U);
  world.pass(9'999ms);
  EXPECT_TRUE(world.tick().actions.empty());
  world.pass(1ms);
  EXPECT_EQ(actions<DeletePod>(world.tick()).size(), 1U);
}

TEST(LatePods, OfARowThatHasEndedAreDeletedWheneverTheyShow) {
  for (const int hours : {0, 1, 23, 25, 240}) {
    World world;
    if (hours <= 24) world.snapshot.tombstones.push_back({world.name(1), PodId{}, Duration(1h) * hours});
    world.stray("late", world.name(1).str());
    EXPECT_TRUE(actions<DeleteOrphan>(world.tick()).empty());
    EXPECT_EQ(actions<DeleteOrphan>(world.tick()).size(), 1U);
  }
}

TEST(TwoLeaders, DoNotDeleteEachOthersPods) {
  World world;
  world.stray("p1", world.name(1).str());  // the other one's, whose row came after our snapshot
  EXPECT_TRUE(world.tick().actions.empty());
  world.snapshot.leader.leading = false;
  EXPECT_TRUE(world.run(1h).actions.empty());
  world.snapshot.leader = {true, 9, "us"};
  Worker& worker = world.row(WorkerStatus::spawning, Phase::provisioning, 1h);
  worker.id = world.name(1);
  worker.pod = PodId("p1");
  world.settings.max_active = 1;
  world.snapshot.queue.queued = 1;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(actions<DeleteOrphan>(world.run(5s)).empty());
}

TEST(Sightings, OfAPodWhoseRowComesBetweenThemAreNone) {
  World world;
  world.settings.max_active = 1;
  world.snapshot.queue.queued = 1;
  world.stray("p1", world.name(1).str());  // listed after the snapshot was read
  EXPECT_TRUE(actions<DeleteOrphan>(world.tick()).empty());
  Worker& worker = world.row(WorkerStatus::spawning, Phase::intent, 2s);
  ASSERT_EQ(worker.id, world.name(1));
  EXPECT_EQ(actions<AdoptPod>(world.tick()).size(), 1U);
  EXPECT_TRUE(world.memory.orphan_sightings.empty());
}

TEST(Orphans, ThatCannotBeDeletedAreAnAlarmToo) {
  World world;
  world.stray("p1", world.name(5).str());
  world.run(10s);  // its first delete
  EXPECT_EQ(gate(world.run(595s), "undeletable"), nullptr);
  const Plan plan = world.run(5s);
  ASSERT_NE(gate(plan, "undeletable"), nullptr);
  EXPECT_NE(gate(plan, "undeletable")->reason.find("p1"), std::string::npos);
  EXPECT_NE(gate(world.run(24h), "undeletable"), nullptr);
  world.pods.clear();
  EXPECT_EQ(gate(world.run(5s), "undeletable"), nullptr);
}

TEST(NewPods, ThatNoListShowsYetAreNotTakenForVanished) {
  World world;
  world.settings.max_active = 1;
  world.snapshot.queue.queued = 1;
  Worker& worker = world.row(WorkerStatus::spawning, Phase::provisioning, 0s);
  worker.pod = PodId("p1");
  EXPECT_TRUE(world.run(295s).actions.empty());
  const Plan plan = world.run(5s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::pod_vanished);
}

}  // namespace
}  // namespace gpuwarden::policy
