// The whole sandbox in one process: what each scenario looks like to a client and inside of a pod.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/sandbox/sandbox_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kFetch = "rm -rf w; git clone -q --depth 1 ";

/// Fetches and sets up the worker on a pod as a startup script would, then starts it without its credentials.
CommandResult work_on(SandboxWorld& world, const std::string& id) {
  return world.ssh_when_up(world.ssh_port(id), "export GIT_TERMINAL_PROMPT=0; " + std::string(kFetch) +
                                                   world.sandbox.ready().repository +
                                                   " w && cd w && ./setup.sh && exec ./start.sh");
}

TEST(Scenario, HealthyPodsFetchSetUpAndStartTheWorker) {
  SandboxWorld world;
  const auto done = work_on(world, world.create("gpu-a"));
  EXPECT_THAT(done.output, HasSubstr("Successfully installed sample-worker"));
  EXPECT_THAT(done.output, HasSubstr("worker.sh: error: GPUWARDEN_WORKER_TOKEN is not set"));
}

TEST(Scenario, WorkerCrashGivesNewPodsAnArgumentThatTheWorkerDoesNotKnow) {
  SandboxWorld world("worker-crash");
  const auto crashed = work_on(world, world.create("gpu-a"));
  EXPECT_EQ(crashed.exit_code, 2);
  EXPECT_THAT(crashed.output, HasSubstr("worker.sh: error: unrecognized arguments: --colour-mode fast"));
  ASSERT_EQ(world.control("POST", "/sandbox/scenario", {{"name", "healthy"}}).status, 200);
  EXPECT_THAT(work_on(world, world.create("gpu-b")).output, HasSubstr("GPUWARDEN_WORKER_TOKEN is not set"));
}

TEST(Scenario, ScriptFailureFailsSetUpWithAReason) {
  SandboxWorld world("script-failure");
  const auto done = work_on(world, world.create("gpu-a"));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.output, HasSubstr("ERROR: Could not find a version that satisfies the requirement"));
}

TEST(Scenario, ScriptFailureCanBeTheRepositoryInstead) {
  SandboxWorld world("script-failure:fetch");
  const auto done = work_on(world, world.create("gpu-a"));
  EXPECT_EQ(done.exit_code, 128);
  EXPECT_THAT(done.output, HasSubstr("not found"));
}

TEST(Scenario, ScriptFailureCanBeAMissingGpu) {
  SandboxWorld world("script-failure:preflight");
  EXPECT_EQ(world.ssh_when_up(world.ssh_port(world.create("gpu-a")), "nvidia-smi").exit_code, 127);
}

TEST(Scenario, SshRefusedShowsAPortThatNobodyListensOn) {
  SandboxWorld world("ssh-refused");
  const auto refused = world.ssh(world.ssh_port(world.create("gpu-a")), "true");
  EXPECT_THAT(refused.output, HasSubstr("Connection refused"));
}

TEST(Scenario, ACreateMayAnswer500OrNothingAndThePodExistsAllTheSame) {
  SandboxWorld world("create-500-but-created");
  EXPECT_EQ(world.runpod("POST", "/pods", world.spec("gpu-a")).status, 500);
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("create-500-but-created:drop")));
  EXPECT_EQ(world.runpod("POST", "/pods", world.spec("gpu-b")).status, 0);
  const auto list = world.runpod("GET", "/pods");
  ASSERT_EQ(list.body.at("pods").size(), 2u);
  EXPECT_EQ(list.body.at("pods")[0].at("name"), "gpu-b");
}

TEST(Scenario, TheStateCountsWhatWasAsked) {
  SandboxWorld world;
  const auto id = world.create("gpu-a");
  world.runpod("POST", "/pods", world.spec("gpu-a"));
  world.runpod("POST", "/pods", {{"bogus", 1}});
  EXPECT_EQ(world.runpod("DELETE", "/pods/" + id).status, 204);
  const auto state = world.control("GET", "/sandbox/state").body;
  EXPECT_EQ(state.at("creates"), 3);
  EXPECT_EQ(state.at("created"), 2);
  EXPECT_EQ(state.at("deletes"), 1);
  EXPECT_EQ(state.at("duplicate_names"), 1);
  EXPECT_EQ(state.at("pods").size(), 1u);
  const auto requests = world.control("GET", "/sandbox/requests").body.at("requests");
  EXPECT_EQ(requests.back().at("method"), "DELETE");
  EXPECT_EQ(requests.back().at("status"), 204);
}

TEST(Scenario, AnUnknownOneIsRefusedAndNothingChanges) {
  SandboxWorld world("list-lag");
  const auto refused = world.control("POST", "/sandbox/scenario", {{"name", "earthquake"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(to_string(world.sandbox.scenario()), "list-lag");
}

TEST(Faults, AWorkerCanBeKilledAlone) {
  SandboxWorld world;
  const auto id = world.create("gpu-a");
  world.ssh_when_up(world.ssh_port(id), "(setsid bash -c 'exec -a worker.sh sleep 500' >/dev/null 2>&1 &)");
  EXPECT_TRUE(world.eventually(30s, [&] {
    return world.control("POST", "/sandbox/fault", {{"kill_worker", id}}).status == 200;
  }));
  EXPECT_TRUE(world.eventually(30s, [&] {
    return world.control("POST", "/sandbox/fault", {{"kill_worker", id}}).status == 400;
  })) << "it is dead already";
  EXPECT_EQ(world.pod(id).at("status"), "RUNNING");
}

TEST(Faults, APodCanExitOrVanish) {
  SandboxWorld world;
  const auto exiting = world.create("gpu-a");
  const auto vanishing = world.create("gpu-b");
  EXPECT_EQ(world.control("POST", "/sandbox/fault", {{"exit_pod", exiting}}).status, 200);
  EXPECT_EQ(world.control("POST", "/sandbox/fault", {{"vanish_pod", vanishing}}).status, 200);
  EXPECT_EQ(world.pod(exiting).at("status"), "EXITED");
  EXPECT_EQ(world.runpod("GET", "/pods/" + vanishing).status, 404);
  EXPECT_TRUE(world.eventually(30s, [&] { return world.sandbox.pod_pid(exiting) == 0; }));
}

TEST(Sandbox, StoppingItEndsEveryProcessOfItsPods) {
  const auto mark = "8" + std::to_string(::getpid());
  {
    SandboxWorld world;
    world.ssh_when_up(world.ssh_port(world.create("gpu-a")), "(setsid sleep " + mark + " >/dev/null 2>&1 &)");
    ASSERT_TRUE(world.eventually(30s, [&] { return !processes_with(mark).empty(); }));
  }
  EXPECT_TRUE(processes_with(mark).empty());
}

TEST(Sandbox, ItsEnvironmentFileHoldsWhatItSays) {
  SandboxWorld world;
  std::ifstream file(world.sandbox.ready().env_file);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("RUNPOD_API_URL=\"" + world.sandbox.ready().runpod + "\"\n"));
  EXPECT_THAT(text.str(), HasSubstr("RUNPOD_GPU_TYPE=\"NVIDIA GeForce RTX 4090\"\n"));
  const auto mode = std::filesystem::status(world.sandbox.ready().env_file).permissions();
  EXPECT_EQ(mode, std::filesystem::perms(0600));
}

}  // namespace
}  // namespace gpuwarden::sandbox
