#include <gtest/gtest.h>

#include "simulation/batch.hpp"
#include "simulation/sanitized.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

RunOptions faulty(std::uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.hours = 0.5;
  options.groups = *parse_faults("all");
  return options;
}

RunOptions peaceful(std::uint64_t seed) {
  RunOptions options = faulty(seed);
  options.groups = {};
  return options;
}

std::string violated(const RunResult& result) {
  return result.violation ? result.violation->invariant + ": " + result.violation->what : "";
}

TEST(SimulationHarness, TheSameSeedGivesTheSameRunToTheLastEvent) {
  const RunResult once = run(faulty(4)), again = run(faulty(4)), other = run(faulty(5));
  EXPECT_EQ(once.hash, again.hash);
  EXPECT_EQ(once.events, again.events);
  EXPECT_EQ(once.probes, again.probes);
  EXPECT_NE(once.hash, other.hash);
}

TEST(SimulationHarness, ThreadsChangeNothing) {
  std::vector<RunOptions> runs;
  for (std::uint64_t seed = 1; seed <= (kSanitized ? 2 : 6); ++seed) runs.push_back(peaceful(seed));
  const Totals alone = run_all(runs, 1), together = run_all(runs, 3);
  EXPECT_EQ(alone.events, together.events);
  EXPECT_EQ(alone.effects, together.effects);
}

TEST(SimulationHarness, WithoutFaultsNothingIsViolatedAndTheFleetWorks) {
  for (std::uint64_t seed = 1; seed <= (kSanitized ? 2 : 8); ++seed) {
    const RunResult result = run(peaceful(seed));
    EXPECT_EQ(violated(result), "") << seed;
    EXPECT_GT(result.figures.pods, 0U) << seed;
    EXPECT_EQ(result.daemons, 1U) << seed;
    EXPECT_EQ(result.probes.count("action.fail"), 0U) << seed;
  }
}

/// The worlds below are broken by hand, as a defect of the daemon would break them: each must be caught.
struct SimulationHarnessCatches : testing::Test {
  static RunResult broken(std::function<void(Universe&, Daemons&)> sabotage) {
    RunOptions options = peaceful(3);
    options.sabotage = std::move(sabotage);
    return run(options);
  }
};

TEST_F(SimulationHarnessCatches, APodThatNobodyRemembers) {
  const RunResult result = broken([](Universe& universe, Daemons&) {
    nlohmann::json body{{"name", make_worker_id(kOwner, universe.wall(), 4711).str()},
                        {"cloud", "SECURE"},
                        {"image", "registry.example/worker:1"},
                        {"disk", 50},
                        {"ports", {"22/tcp"}},
                        {"gpu", {{"id", "NVIDIA GeForce RTX 4090"}, {"count", 1}}},
                        {"env", nlohmann::json::object()}};
    universe.cloud.handle("POST", "/pods", body.dump(), "daemon 1");
  });
  EXPECT_TRUE(violated(result).starts_with("create.intent")) << violated(result);
}

TEST_F(SimulationHarnessCatches, ATaskThatIsNeverGivenBack) {
  const RunResult result = broken([](Universe& universe, Daemons&) {
    const std::string task = universe.database.add_task("a_orchestrator_of_many", universe.wall());
    universe.database.start_task(task, "", universe.wall());
  });
  EXPECT_TRUE(violated(result).starts_with("liveness")) << violated(result);
}

TEST_F(SimulationHarnessCatches, ADaemonThatHangs) {
  const RunResult result =
      broken([](Universe&, Daemons& daemons) { daemons.main()->process().stand_still(10h, false); });
  EXPECT_TRUE(violated(result).starts_with("liveness")) << violated(result);
}

/// Deletes the pod of the first worker that is at work.
void delete_busy(Universe& universe) {
  for (const auto& [id, task] : universe.database.in_progress()) {
    for (const SimPodPtr& pod : universe.cloud.pods()) {
      if (pod->name != task->worker || !pod->exists()) continue;
      universe.cloud.handle("DELETE", "/pods/" + pod->id, "", "daemon 1");
      return;
    }
  }
  universe.scheduler.after(1s, [&universe] { delete_busy(universe); });
}

TEST_F(SimulationHarnessCatches, ADeleteOfAWorkerThatIsAtWork) {
  const RunResult result = broken([](Universe& universe, Daemons&) {
    universe.database.add_task("render", universe.wall());
    delete_busy(universe);
  });
  EXPECT_TRUE(violated(result).starts_with("delete.live")) << violated(result);
}

}  // namespace
}  // namespace gpuwarden::simulation
