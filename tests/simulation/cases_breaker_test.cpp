#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/case_world.hpp"

namespace gpuwarden::simulation {
namespace {

PodFate failing(FailureCause cause) {
  PodFate fate;
  fate.cause = cause;
  fate.strikes_after = 1s;
  return fate;
}

/// The breaker's states as ticks saw them, one after the other.
struct States {
  explicit States(CaseWorld& world) {
    world.on_tick = [this, &world](Daemon&, const control::TickReport&) {
      const std::string now = world.breaker();
      if (all.empty() || all.back() != now) all.push_back(now);
    };
  }
  std::vector<std::string> all;
};

TEST(SimulationCase07, FleetsThatComeAndGoNormallyAreNoFailuresHoweverOftenTheyDo) {
  CaseWorld world(calm(6));
  const States breaker(world);
  world.task_takes = 6min;
  world.start();
  for (int round = 1; round <= 3; ++round) {
    SCOPED_TRACE(round);
    ASSERT_TRUE(world.come_to_work(6));
    ASSERT_TRUE(world.until([&] { return world.pod_ids().empty(); }, 30min));
  }
  // Surplus starts that are called off are none either.
  for (const std::string& task : world.queue(6)) {
    if (world.until([&] { return world.pod_ids().size() >= 2; }, 2min))
      world.universe.database.cancel_task(task, world.universe.wall());
  }
  ASSERT_TRUE(world.until([&] { return world.pod_ids().empty(); }, 30min));
  EXPECT_THAT(breaker.all, testing::ElementsAre("closed"));
  EXPECT_TRUE(world.failures().empty());
  int successes = 0;
  for (const auto& [id, row] : world.universe.database.workers()) {
    EXPECT_EQ(row.cause, "") << id;
    EXPECT_NE(row.outcome, "failure") << id;
    EXPECT_FALSE(row.end_reason.empty() && row.drain_reason.empty()) << id;
    successes += row.outcome == "success" ? 1 : 0;
  }
  EXPECT_GE(successes, 18);
  const int posts = world.posts();
  world.queue(1);
  EXPECT_TRUE(world.until([&] { return world.posts() == posts + 1; }, 11s)) << "it can grow again at once";
}

TEST(SimulationCase08, ATypeWithoutCapacityIsSetAsideAndAnotherDoesTheWork) {
  CaseWorld world(calm(4));
  const States breaker(world);
  int refused = 0;
  world.pod_fate = [&](const nlohmann::json& request) {
    // The catalogue still says that there is plenty.
    if (request.at("gpu").at("id") != kFirstGpu) return PodFate{};
    ++refused;
    return failing(FailureCause::no_capacity);
  };
  world.task_takes = 4min;
  world.queue(16);
  world.start();
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 16; }, 1h));
  for (const SimPodPtr& pod : world.universe.cloud.pods()) EXPECT_EQ(pod->gpu, kSecondGpu);
  EXPECT_GE(refused, 1);
  EXPECT_LE(refused, 6) << "it is remembered what is exhausted";
  EXPECT_THAT(breaker.all, testing::ElementsAre("closed"));
  for (const auto& [id, failure] : world.failures()) EXPECT_FALSE(failure.counts) << failure.summary;
}

TEST(SimulationCase08, WithoutAnyCapacityTheFleetWaitsAndResumesByItself) {
  CaseWorld world(calm(4));
  const States breaker(world);
  bool exhausted = true;
  int refused = 0;
  world.pod_fate = [&](const nlohmann::json&) {
    refused += exhausted ? 1 : 0;
    return exhausted ? failing(FailureCause::no_capacity) : PodFate{};
  };
  world.queue(4);
  world.start();
  world.pass(1h);
  EXPECT_GE(refused, 4);
  EXPECT_LE(refused, 40) << "720 ticks have passed";
  EXPECT_TRUE(world.pod_ids().empty());
  EXPECT_TRUE(world.gated("placement"));
  exhausted = false;
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 4; }, 30min));
  EXPECT_THAT(breaker.all, testing::ElementsAre("closed"));
  for (const auto& [id, failure] : world.failures()) EXPECT_FALSE(failure.counts) << failure.summary;
}

/// Every start fails until `mended`.
struct BadRelease {
  CaseWorld world{calm(6)};
  States breaker{world};
  bool mended{false};
  BadRelease() {
    world.pod_fate = [this](const nlohmann::json&) {
      return mended ? PodFate{} : failing(FailureCause::start_failed);
    };
    world.queue(6);
    world.start();
    EXPECT_TRUE(world.until([&] { return world.breaker() == "open"; }, 30min));
  }
};

TEST(SimulationCase09, AnOpenBreakerProbesWithSingleCanariesAndClosesByItself) {
  BadRelease release;
  CaseWorld& world = release.world;
  EXPECT_LE(world.starts, 7) << "so much is wasted at most";
  const int wasted = world.starts;
  std::size_t most_at_once = 0;
  const MonoTime open_until = world.universe.now() + 30min;
  while (world.universe.now() < open_until) {
    world.pass(1s);
    most_at_once = std::max(most_at_once, world.pod_ids().size());
    ASSERT_NE(world.breaker(), "closed");
  }
  EXPECT_GE(world.starts - wasted, 4) << "it went on looking";
  EXPECT_LE(world.starts - wasted, 14) << "with pauses that grow to BREAKER_PROBE_MAX_SEC";
  EXPECT_LE(most_at_once, 2U) << "one canary, and a failed one that is being deleted";
  release.mended = true;
  EXPECT_TRUE(world.until([&] { return world.breaker() == "closed"; }, 20min));
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 6; }, 30min));
  EXPECT_EQ(release.breaker.all.back(), "closed");
  int canaries = 0;
  for (const auto& [id, row] : world.universe.database.workers())
    canaries += row.canary && row.outcome == "success" ? 1 : 0;
  EXPECT_EQ(canaries, 2) << "two that came up closed it";
}

TEST(SimulationCase09, AnOperatorsResetClosesItAtOnce) {
  BadRelease release;
  CaseWorld& world = release.world;
  world.pass(10s);
  release.mended = true;
  const int posts = world.posts();
  world.operate("breaker_reset");
  EXPECT_EQ(world.breaker(), "closed");
  EXPECT_TRUE(world.until([&] { return world.posts() >= posts + 2; }, 11s)) << "not one canary: as usual";
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 6; }, 30min));
  EXPECT_EQ(world.breaker(), "closed");
}

/// What happens between the create of a pod and the write of its id.
enum class Mishap { killed_before_the_answer, killed_after_the_answer, answer_lost, error_answered };
std::string name_of(const testing::TestParamInfo<Mishap>& info) {
  switch (info.param) {
    case Mishap::killed_before_the_answer:
      return "killed_before_the_answer";
    case Mishap::killed_after_the_answer:
      return "killed_after_the_answer";
    case Mishap::answer_lost:
      return "answer_lost";
    case Mishap::error_answered:
      return "error_answered";
  }
  return "";
}
class SimulationCase10 : public testing::TestWithParam<Mishap> {};
INSTANTIATE_TEST_SUITE_P(, SimulationCase10,
                         testing::Values(Mishap::killed_before_the_answer, Mishap::killed_after_the_answer,
                                         Mishap::answer_lost, Mishap::error_answered),
                         name_of);

TEST_P(SimulationCase10, APodWhoseIdWasNeverWrittenIsAdoptedByItsNameAndNeverAskedForTwice) {
  CaseWorld world(calm(1));
  bool done = false, killed = false;
  world.fate = [&](Service, std::string_view call) -> std::optional<Fate> {
    if (done && !killed && call.starts_with("gpuwarden_update_worker"))
      return Fate{Fate::Kind::request_lost, 50ms};
    if (done || !call.starts_with("create ")) return std::nullopt;
    if (GetParam() == Mishap::answer_lost) return Fate{Fate::Kind::reply_lost, 50ms};
    if (GetParam() == Mishap::error_answered) return Fate{Fate::Kind::failed_but_done, 50ms};
    return Fate{Fate::Kind::done, 50ms};
  };
  world.stage.on_effect = [&](Service, std::string_view call) {
    if (done || !call.starts_with("create ")) return;
    done = true;
    const bool dies = GetParam() < Mishap::answer_lost;
    world.universe.scheduler.after(GetParam() == Mishap::killed_before_the_answer ? 0s : 1s, [&, dies] {
      killed = true;
      if (dies) world.daemons.kill_and_restart(5s);
    });
  };
  world.queue(1);
  world.start();
  ASSERT_TRUE(world.until([&] { return done; }, 1min));
  EXPECT_EQ(world.universe.database.workers().begin()->second.pod, "");
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 1; }, 15min));
  ASSERT_EQ(world.universe.cloud.pods().size(), 1U) << "one pod for one task, whatever became of the answer";
  EXPECT_EQ(world.posts(), 1);
  const SimPodPtr pod = world.universe.cloud.pods().front();
  EXPECT_EQ(world.universe.database.workers().at(pod->name).pod, pod->id);
  EXPECT_TRUE(world.failures().empty());
  EXPECT_TRUE(world.until([&] { return !pod->exists(); }, 30min));
}

}  // namespace
}  // namespace gpuwarden::simulation
