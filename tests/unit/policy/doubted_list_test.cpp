#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/pod_signs.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(PodSigns, OfAnAbsentPodNeedItsIdAndTwoCompleteLists) {
  Worker worker;
  Memory::WorkerSeen seen;
  Member member;
  member.worker = &worker;
  member.seen = &seen;
  seen.absent_lists = 2;
  EXPECT_FALSE(pod_signs(member).gone);  // no pod is known that could be missing
  worker.pod = PodId("p1");
  seen.absent_lists = 1;
  EXPECT_FALSE(pod_signs(member).gone);
  seen.absent_lists = 2;
  EXPECT_TRUE(pod_signs(member).gone);
  EXPECT_EQ(pod_signs(member).cause, FailureCause::pod_vanished);
  EXPECT_EQ(pod_signs(member).words, "its pod is missing from two complete lists");
}

TEST(PodSigns, OfAListedPodAreItsStatusAndARestart) {
  Worker worker;
  Memory::WorkerSeen seen;
  Pod pod;
  Member member;
  member.worker = &worker;
  member.seen = &seen;
  member.pod = &pod;
  const auto says = [&](PodStatus status) {
    pod.status = status;
    const PodSigns signs = pod_signs(member);
    return signs.gone ? std::string(to_string(signs.cause)) + ": " + signs.words : std::string();
  };
  EXPECT_EQ(says(PodStatus::exited), "pod_exited: its pod has exited");
  EXPECT_EQ(says(PodStatus::error), "pod_error: its pod is in error");
  EXPECT_EQ(says(PodStatus::terminated), "pod_vanished: its pod was terminated");
  for (const PodStatus status :
       {PodStatus::provisioning, PodStatus::starting, PodStatus::running, PodStatus::unrecognized})
    EXPECT_EQ(says(status), "");
  seen.restarted = true;
  EXPECT_EQ(says(PodStatus::running), "pod_exited: its container has restarted (the uptime went back)");
  EXPECT_EQ(says(PodStatus::error), "pod_error: its pod is in error");
}

struct Vanishing {
  int listed, missing;
  bool doubted;
};
class Lists : public testing::TestWithParam<Vanishing> {};

/// Starts on their way, of which some vanish from the list at once.
TEST_P(Lists, AreDoubtedWhenThreeAndFiftyFivePercentVanishAtOnce) {
  World world;
  world.settings.max_active = 0;
  for (int i = 0; i < GetParam().listed; ++i) world.spawning(Phase::starting, 10s);
  Worker ending = world.row(WorkerStatus::terminating, Phase::deleting);  // its pod is missing rightly
  ending.pod = PodId("p0");
  world.stray("p0", ending.id.str());
  world.snapshot.workers.back() = ending;
  world.tick();
  world.pods.erase(world.pods.begin(), world.pods.begin() + GetParam().missing);
  std::erase_if(world.pods, [](const Pod& pod) { return pod.id == PodId("p0"); });
  world.tick();
  const Plan plan = world.tick();
  EXPECT_EQ(gate(plan, "pods") != nullptr, GetParam().doubted) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).size(),
            GetParam().doubted ? 0U : static_cast<std::size_t>(GetParam().missing));
}

INSTANTIATE_TEST_SUITE_P(Fleets, Lists,
                         testing::Values(Vanishing{2, 2, false}, Vanishing{3, 3, true},
                                         Vanishing{5, 2, false}, Vanishing{5, 3, true},
                                         Vanishing{6, 3, false}, Vanishing{6, 4, true},
                                         Vanishing{20, 10, false}, Vanishing{20, 11, true}),
                         [](const auto& info) {
                           return fmt::format("{}of{}", info.param.missing, info.param.listed);
                         });

/// Four active workers that nobody is short of.
struct Four : testing::Test {
  World world;
  Four() {
    world.settings.max_active = 4;
    for (int i = 0; i < 4; ++i) world.busy();
    world.settle();
  }
  Plan run(Duration duration) {
    Plan plan;
    for (Duration passed{0}; passed < duration; passed += world.settings.poll) {
      world.pass(world.settings.poll);
      for (std::size_t i = 1; i < 4; ++i) world.snapshot.workers[i].heartbeat_age = 1s;
      plan = world.tick();
    }
    return plan;
  }
};

TEST_F(Four, OneOfWhichIsSilentWhileTheListIsDoubtedIsNotTakenForGone) {
  run(30s);
  world.pods.clear();
  for (int i = 0; i < 30; ++i) {  // also past the heartbeat time-out: the list is no second source now
    const Plan plan = run(5s);
    EXPECT_TRUE(actions<FailWorker>(plan).empty()) << i << words(plan);
    EXPECT_NE(gate(plan, "pods"), nullptr);
    EXPECT_EQ(gate(plan, "pods")->opens_in, Duration(300s));
  }
  const Plan plan = run(155s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().worker, world.snapshot.workers[0].id);
}

TEST_F(Four, OneOfWhichHasExitedIsBelievedAlthoughTheOthersAreMissing) {
  run(45s);
  world.pods.erase(world.pods.begin() + 1, world.pods.end());
  world.pods.front().status = PodStatus::exited;
  const Plan plan = run(5s);
  EXPECT_NE(gate(plan, "pods"), nullptr);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(actions<FailWorker>(plan).front().suspected, FailureCause::pod_exited);
}

TEST_F(Four, OneOfWhichIsSilentAndMissingAloneIsGone) {
  run(35s);
  world.remove_pod(world.snapshot.workers[0].pod);
  EXPECT_TRUE(actions<FailWorker>(run(5s)).empty());
  const Plan plan = run(5s);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(reason_of<FailWorker>(plan),
            "its pod is missing from two complete lists; last heartbeat 46s ago");
}

TEST_F(Four, OneOfWhichHasAPodThatWasNeverListedIsJudgedByItsAge) {
  Worker& worker = world.snapshot.workers[0];
  world.remove_pod(worker.pod);
  world.memory.workers.at(worker.id).was_listed = false;
  worker.age = 200s;
  EXPECT_TRUE(actions<FailWorker>(run(95s)).empty());
  EXPECT_EQ(actions<FailWorker>(run(5s)).size(), 1U);  // 300 s old
}

/// A time-out shorter than the two heartbeats that the provider's word alone waits for.
TEST(ShortTimeOut, TakesTheProvidersWordForTheSecondSource) {
  World world;
  world.settings.max_active = 1;
  world.settings.heartbeat_timeout = 30s;
  world.busy();
  world.settle();
  world.run(25s, false);
  world.pods.front().status = PodStatus::exited;
  EXPECT_TRUE(actions<FailWorker>(world.run(5s, false)).empty());  // 30 s by our own clock
  const Plan plan = world.run(5s, false);
  ASSERT_EQ(actions<FailWorker>(plan).size(), 1U) << words(plan);
  EXPECT_EQ(reason_of<FailWorker>(plan), "no heartbeat for 36s and its pod has exited");
}

}  // namespace
}  // namespace gpuwarden::policy
