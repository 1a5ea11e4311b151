#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/runpod/provider.hpp"

#include "simulation/case_world.hpp"
#include "simulation/launch_payload.hpp"

namespace gpuwarden::simulation {
namespace {

using testing::Not;

/// Text by the place where it was found.
using Places = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kServiceKey = "sb_secret_PLANTEDservicekey0123";
constexpr const char* kRunpodKey = "rpa_PLANTEDrunpodkey0123456789ABCDEF";
constexpr const char* kDatabaseUrl = "postgresql://postgres:PLANTEDpassword@db.project.example:5432/postgres";
constexpr const char* kPassed = "PLANTEDpassed-0123456789";

/// Everything wrong with pods, services and daemons that a profile knows, at moderate strength.
Profile stormy() {
  Profile profile = calm(6);
  Faults& faults = profile.faults;
  faults.supabase.lost = faults.runpod.lost = faults.ssh.lost = 0.08;
  faults.supabase.refused = faults.runpod.refused = 0.05;
  faults.supabase.failed_but_done = faults.runpod.failed_but_done = faults.ssh.failed_but_done = 0.05;
  faults.database_outages = 2;
  faults.database_outage_longest = 3min;
  faults.database_faults = {DatabaseWeather::Fault::refusing, DatabaseWeather::Fault::unreadable,
                            DatabaseWeather::Fault::stale_key};
  faults.cloud_episodes = 3;
  faults.crashes = 4;
  profile.settings.policy.min_workers_for_rate = 1000;
  profile.settings.bootstrap.pass_env = {{"HF_TOKEN", kPassed}};
  return profile;
}

void put_rows(Database& database, Places& places) {
  for (const auto& [id, row] : database.workers()) {
    places.emplace_back("row of " + id, row.details.dump() + row.crash.dump() + row.drain_reason +
                                            row.end_reason + row.step + row.cause + row.token_sha256);
  }
  for (const auto& [worker, failure] : database.failures()) {
    places.emplace_back("failure of " + worker, failure.evidence.dump() + failure.summary + failure.advice +
                                                    failure.evidence_line + failure.scope);
  }
  for (const auto& [id, task] : database.tasks()) places.emplace_back("task " + id, task.error);
  for (const auto& [key, state] : database.states())
    places.emplace_back("state " + key.second, state.value.dump());
}

TEST(SimulationCase16, NoSecretReachesALogARowATraceACommandLineOrAPodsEnvironment) {
  CaseWorld world(stormy());
  for (const char* secret : {kServiceKey, kRunpodKey, kPassed}) world.daemons.redactor.add(secret);
  // Images that print what they should not: evidence is tempted.
  int number = 0;
  world.pod_fate = [&](const nlohmann::json&) {
    PodFate fate;
    fate.prints = {std::string("env SUPABASE_KEY=") + kServiceKey, std::string("key ") + kRunpodKey,
                   std::string("database ") + kDatabaseUrl, std::string("HF_TOKEN ") + kPassed};
    if (number++ % 3 == 0) fate.cause = FailureCause::start_failed;
    if (number % 3 == 1) fate.faults = {{RuntimeFault::Kind::crash, 3min}};
    return fate;
  };
  std::set<std::string> tokens;
  Places places;
  int with_token = 0;
  world.swarm.word.command = [&](std::string_view text, std::string_view stdin_data) {
    places.emplace_back("command line", text);
    if (const auto payload = read_launch_payload(stdin_data)) {
      tokens.insert(payload->token);
      ++with_token;
    }
  };
  std::string reported;
  world.on_tick = [&](Daemon&, const control::TickReport& report) {
    for (const Gate& gate : report.plan.gates) reported += gate.reason + "\n";
    reported += report.snapshot_error + report.pods_error + "\n";
  };
  world.swarm.begin();
  world.queue(8);
  world.start();
  for (int n = 0; n < 9; ++n) {
    world.pass(10min);
    if (world.universe.database.queued_tasks() < 4) world.queue(8);
  }
  ASSERT_GE(tokens.size(), 8U);
  ASSERT_GE(world.failures().size(), 4U);
  EXPECT_GE(with_token, static_cast<int>(tokens.size()));

  put_rows(world.universe.database, places);
  for (const CaseWorld::Note& note : world.notes) places.emplace_back("trace and log", note.what);
  for (const SimPodPtr& pod : world.universe.cloud.pods()) places.emplace_back("create", pod->create_body);
  places.emplace_back("what ticks report", reported);
  std::vector<std::string> secrets{tokens.begin(), tokens.end()};
  for (const char* secret : {kServiceKey, kRunpodKey, "PLANTEDpassword", kPassed})
    secrets.emplace_back(secret);
  for (const auto& [place, text] : places) {
    for (const std::string& secret : secrets) ASSERT_THAT(text, Not(testing::HasSubstr(secret))) << place;
  }
  // Had they not been hidden, this test would have seen them.
  const auto& evidence = world.failures().begin()->second.evidence;
  EXPECT_THAT(evidence.dump(), testing::HasSubstr("HF_TOKEN [redacted]"));
  for (const SimPodPtr& pod : world.universe.cloud.pods()) {
    for (const auto& [name, value] : pod->env)
      EXPECT_THAT(name,
                  testing::AnyOf("WORKER_ID", "RUN_TYPE", "PUBLIC_KEY", testing::StartsWith("GPUWARDEN_")))
          << value;
  }
}

TEST(SimulationCase16, APodsTokenActsForItsOwnWorkerAlone) {
  CaseWorld world(calm(2));
  std::map<std::string, std::string> tokens;
  world.swarm.word.command = [&](std::string_view, std::string_view stdin_data) {
    if (const auto payload = read_launch_payload(stdin_data)) tokens[payload->worker] = payload->token;
  };
  world.task_takes = 10min;
  world.start();
  ASSERT_TRUE(world.come_to_work(2));
  ASSERT_EQ(tokens.size(), 2U);
  const auto [first, first_token] = *tokens.begin();
  const auto [second, second_token] = *std::next(tokens.begin());
  EXPECT_NE(first_token, second_token);
  const auto report = [&](const std::string& worker, const std::string& token) {
    return world.universe.database.rpc(
        "gpuwarden_worker_report",
        {{"worker_id_param", worker}, {"token_param", token}, {"report_param", {{"kind", "ping"}}}},
        world.universe.wall());
  };
  EXPECT_NO_THROW(report(first, first_token));
  EXPECT_THROW(report(first, second_token), SqlError);
  EXPECT_THROW(report(second, first_token), SqlError);
}

TEST(SimulationCase17, OfTwoDaemonsOneLeadsAndTheOtherNeitherCreatesNorDeletes) {
  CaseWorld world(calm(4));
  std::map<std::string, int> plans;
  std::map<std::string, bool> leads;
  world.on_tick = [&](Daemon& daemon, const control::TickReport& report) {
    plans[daemon.name()] += static_cast<int>(report.plan.actions.size());
    if (report.snapshot) leads[daemon.name()] = report.snapshot->leader.leading;
  };
  world.task_takes = 6min;
  world.start();
  world.pass(10s);
  world.daemons.start();
  ASSERT_TRUE(world.come_to_work(4));
  world.queue(4);
  ASSERT_TRUE(world.until([&] { return world.with_status("Complete") == 8; }, 30min));
  ASSERT_TRUE(world.until([&] { return world.pod_ids().empty(); }, 30min));
  EXPECT_TRUE(leads.at("daemon 1"));
  EXPECT_FALSE(leads.at("daemon 2"));
  EXPECT_GE(plans.at("daemon 1"), 8);
  EXPECT_EQ(plans.at("daemon 2"), 0);
  EXPECT_EQ(world.posts(), 4) << "not one pod twice";
  for (const SimPodPtr& pod : world.universe.cloud.pods()) {
    EXPECT_EQ(pod->created_by, "daemon 1");
    for (const SimPod::DeleteCall& call : pod->delete_calls) EXPECT_EQ(call.by, "daemon 1");
  }
}

TEST(SimulationCase17, TheOneThatWaitedTakesOverAFleetThatGoesOnWorking) {
  CaseWorld world(calm(3));
  world.task_takes = 15min;
  world.start();
  ASSERT_TRUE(world.come_to_work(3));
  Daemon& first = *world.daemons.main();
  Daemon& second = world.daemons.start();
  const std::string successor = second.name();
  world.pass(1min);
  const auto pods = world.pod_ids();
  first.kill();
  std::optional<MonoTime> led;
  const MonoTime killed = world.universe.now();
  world.on_tick = [&](Daemon& daemon, const control::TickReport& report) {
    if (!led && daemon.name() == successor && report.snapshot && report.snapshot->leader.leading)
      led = world.universe.now();
  };
  ASSERT_TRUE(world.until([&] { return led.has_value(); }, 2min));
  EXPECT_LE(*led - killed, 40s) << "a lease of 30 s and a tick";
  ASSERT_TRUE(world.until([&] { return world.with_status("Complete") == 3; }, 30min));
  EXPECT_EQ(world.posts(), 3);
  EXPECT_EQ(pods.size(), 3U);
  EXPECT_TRUE(world.failures().empty());
  for (const auto& [id, task] : world.universe.database.tasks()) EXPECT_EQ(task.attempts, 0);
}

/// "GET /pods/{id}/logs"
std::string shape(std::string_view method, std::string_view path) {
  std::string text(path.substr(0, path.find('?')));
  constexpr std::string_view kPods = "/pods/";
  if (text.starts_with(kPods)) {
    const std::size_t end = text.find('/', kPods.size());
    text = "/pods/{id}" + (end == std::string::npos ? "" : text.substr(end));
  }
  return std::string(method) + " " + text;
}

TEST(SimulationCase18, ALifeWithFailuresOrphansAndVolumesUsesThePathsAndFieldsOfRestV2Alone) {
  EXPECT_TRUE(runpod::Settings{}.url.ends_with("/v2"));
  Profile profile = calm(4);
  profile.settings.policy.volume_names = {"models-eu", "models-us"};
  CaseWorld world(profile);
  std::set<std::string> shapes;
  std::map<int, int> refusals;
  world.universe.cloud.on_answer = [&](std::string_view method, std::string_view path,
                                       const http::Response& answer) {
    shapes.insert(shape(method, path));
    if (answer.status >= 400) ++refusals[answer.status];
  };
  world.pod_fate = [&](const nlohmann::json&) {
    PodFate fate;
    if (world.starts == 1) fate.cause = FailureCause::start_failed;
    if (world.starts == 2) fate.faults = {{RuntimeFault::Kind::heartbeats_stop, 2min}};
    return fate;
  };
  world.task_takes = 6min;
  world.queue(8);
  world.start();
  // A pod of ours whose worker's row somebody has ended, and one that is not ours.
  world.universe.cloud.add_foreign("somebody-elses");
  ASSERT_TRUE(world.until([&] { return world.active() >= 2; }, 30min));
  const auto live = world.universe.database.live_workers(kOwner);
  world.universe.database.set_shared_status(live.back()->id, "terminated", world.universe.wall());
  ASSERT_TRUE(world.until([&] { return world.with_status("Complete") == 8; }, 2h));
  ASSERT_TRUE(world.until([&] { return world.pod_ids().size() == 1; }, 1h)) << "the foreign one stays";
  EXPECT_THAT(shapes, testing::IsSubsetOf({"POST /pods", "GET /pods", "GET /pods/{id}", "DELETE /pods/{id}",
                                           "GET /pods/{id}/logs", "GET /catalog/gpus",
                                           "GET /catalog/datacenters", "GET /network-volumes"}));
  EXPECT_THAT(shapes,
              testing::IsSupersetOf({"POST /pods", "GET /pods", "DELETE /pods/{id}", "GET /pods/{id}/logs",
                                     "GET /catalog/gpus", "GET /network-volumes"}));
  EXPECT_TRUE(refusals.empty()) << refusals.begin()->first;
  for (const SimPodPtr& pod : world.universe.cloud.pods()) {
    if (pod->foreign) continue;
    const auto body = nlohmann::json::parse(pod->create_body);
    for (const auto& [field, value] : body.items())
      EXPECT_THAT(field, testing::AnyOf("name", "image", "templateId", "registry", "startSsh", "cloud",
                                        "disk", "gpu", "ports", "env", "mounts", "dataCenterIds"));
  }
}

}  // namespace
}  // namespace gpuwarden::simulation
