// The sandbox with its database: the sample worker at work, and what pods and the daemon see when it is in
// trouble.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/sandbox/sandbox_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kWorker = "gpu-sandbox-20261124000000-00000001";
constexpr const char* kToken = "token-of-the-worker-0001";

class DatabaseWorld : public SandboxWorld {
 public:
  DatabaseWorld() : SandboxWorld("healthy", true) {}

  Answer rpc(const std::string& function, const json& body, const char* key = "SUPABASE_SECRET_KEY") {
    http::Request request;
    request.method = "POST";
    request.url = sandbox.ready().supabase + "/rest/v1/rpc/" + function;
    request.headers = {{"apikey", sandbox.environment().at(key)}, {"content-type", "application/json"}};
    request.body = body.dump();
    const auto response = run(client.fetch(std::move(request)));
    if (!response) return {};
    return {response->status, json::parse(response->body, nullptr, false)};
  }
  /// A worker row with the token, as the daemon makes it.
  void register_worker() {
    const auto look = rpc("gpuwarden_snapshot", {{"owner_param", "sandbox"},
                                                 {"holder_param", "test"},
                                                 {"lease_sec_param", 600},
                                                 {"options_param", json::object()}});
    const auto epoch = look.body.at("leader").at("epoch");
    rpc("gpuwarden_register_worker", {{"worker_id_param", kWorker},
                                      {"owner_param", "sandbox"},
                                      {"epoch_param", epoch},
                                      {"details_param", {{"gpu", "NVIDIA GeForce RTX 4090"}}}});
    const auto hash = run_command({"/bin/sh", "-c", fmt::format("printf %s {} | sha256sum", kToken)},
                                  {"PATH=/usr/bin:/bin"});
    const auto updated =
        rpc("gpuwarden_update_worker", {{"worker_id_param", kWorker},
                                        {"owner_param", "sandbox"},
                                        {"epoch_param", epoch},
                                        {"expected_param", {"spawning"}},
                                        {"change_param", {{"token_sha256", hash.output.substr(0, 64)}}}});
    EXPECT_EQ(updated.body.value("done", false), true) << updated.body.dump();
  }
  Answer report(const std::string& kind) {
    return rpc("gpuwarden_worker_report",
               {{"worker_id_param", kWorker}, {"token_param", kToken}, {"report_param", {{"kind", kind}}}},
               "SUPABASE_PUBLISHABLE_KEY");
  }
  int health() { return rpc("gpuwarden_health", json::object()).status; }
  json tasks() { return control("GET", "/sandbox/state").body.at("tasks"); }
};

TEST(SampleWorker, ClaimsTasksWorksAndCompletesEachOnce) {
  DatabaseWorld world;
  world.register_worker();
  ASSERT_EQ(world.control("POST", "/sandbox/tasks", {{"count", 3}, {"seconds", 0.2}}).body.at("ids").size(),
            3u);
  const auto id = world.create(kWorker);
  world.ssh_when_up(
      world.ssh_port(id),
      fmt::format(
          "git clone -q {} w && cd w && ./setup.sh && export GPUWARDEN_WORKER_TOKEN={} SUPABASE_URL={} "
          "SUPABASE_PUBLISHABLE_KEY={} && (setsid ./start.sh >/tmp/worker.log 2>&1 &)",
          world.sandbox.ready().repository, kToken, world.sandbox.ready().supabase,
          world.sandbox.environment().at("SUPABASE_PUBLISHABLE_KEY")));
  EXPECT_TRUE(world.eventually(60s, [&] { return world.tasks().value("complete", 0) == 3; }))
      << world.tasks().dump() << world.ssh(world.ssh_port(id), "cat /tmp/worker.log").output;
  EXPECT_EQ(world.tasks().at("completed_twice"), 0);
}

TEST(DatabaseScenario, HeartbeatLossCutsOffPodsButNotTheDaemon) {
  DatabaseWorld world;
  world.register_worker();
  EXPECT_EQ(world.report("heartbeat").status, 200);
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("heartbeat-loss")));
  EXPECT_NE(world.report("heartbeat").status, 200);
  EXPECT_EQ(world.health(), 200);
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("healthy")));
  EXPECT_EQ(world.report("heartbeat").status, 200);
}

TEST(DatabaseScenario, ACutOffPodGetsThroughItsPreflightAndNoFurther) {
  DatabaseWorld world;
  world.register_worker();
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("cut-off")));
  EXPECT_EQ(world.report("ping").status, 200);
  EXPECT_NE(world.report("heartbeat").status, 200);
  EXPECT_EQ(world.health(), 200);
}

TEST(DatabaseScenario, AnOutageIsAnOutageForEverybodyAndEnds) {
  DatabaseWorld world;
  world.register_worker();
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("supabase-outage")));
  EXPECT_NE(world.health(), 200);
  EXPECT_NE(world.report("heartbeat").status, 200);
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("healthy")));
  EXPECT_EQ(world.health(), 200);
}

TEST(DatabaseScenario, AnUnwritableDatabaseCanStillBeRead) {
  DatabaseWorld world;
  world.register_worker();
  ASSERT_TRUE(world.sandbox.set_scenario(*parse_scenario("supabase-outage:unwritable")));
  EXPECT_EQ(world.health(), 200);
  EXPECT_NE(world.report("heartbeat").status, 200);
}

}  // namespace
}  // namespace gpuwarden::sandbox
