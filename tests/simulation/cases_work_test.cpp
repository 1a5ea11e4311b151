#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/case_world.hpp"
#include "simulation/sanitized.hpp"

namespace gpuwarden::simulation {
namespace {

TEST(SimulationCase03, ATaskThatKillsEveryWorkerIsGivenUpAfterItsAttemptsWithTheEvidence) {
  CaseWorld world(calm(3));
  const std::string poison = world.queue(1, "poison").front();
  world.queue(4);
  world.start();
  const rows::Task& task = world.universe.database.tasks().at(poison);
  ASSERT_TRUE(world.until([&] { return task.status == "Failed"; }, 2h));
  EXPECT_EQ(task.attempts, 3);
  ASSERT_EQ(task.attempts_made.size(), 3U);
  std::set<std::string> dead;
  for (const rows::Attempt& attempt : task.attempts_made) {
    dead.insert(attempt.worker);
    EXPECT_EQ(attempt.end, "its worker failed");
    EXPECT_THAT(task.error, testing::HasSubstr(attempt.worker));
    const rows::Failure& failure = world.failures().at(attempt.worker);
    EXPECT_EQ(failure.cause, "worker_crashed");
    EXPECT_THAT(failure.tasks, testing::ElementsAre(poison));
  }
  EXPECT_EQ(dead.size(), 3U);
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 4; }, 1h));
  world.pass(30min);
  EXPECT_EQ(world.failures().size(), 3U) << "it takes no fourth one with it";
  EXPECT_EQ(task.status, "Failed");
}

/// What ticks cost with so many workers that are at work.
struct Cost {
  int snapshots{0}, other_supabase{0}, lists{0}, ssh{0};
  std::uint64_t ticks{0};
  Duration longest{0};
};
Cost cost_of(int workers) {
  Profile profile = calm(workers);
  policy::Settings& policy = profile.settings.policy;
  policy.min_active = workers;
  policy.max_spawns_per_minute = 1000;
  policy.min_workers_for_rate = 5;
  CaseWorld world(profile);
  world.universe.cloud.set_quota(100'000);
  world.task_takes = 10h;
  world.daemons.settings.policy.task_stuck_timeout = 20h;
  world.pod_fate = [](const nlohmann::json&) {
    PodFate fate;
    fate.provisioning = fate.pulling = fate.setup = fate.fetch = fate.loading = 1s;
    return fate;
  };
  world.fate = [](Service, std::string_view) { return Fate{Fate::Kind::done, 25ms}; };
  world.start();
  EXPECT_TRUE(world.come_to_work(workers, 3h)) << world.active() << " active; " << world.gates();
  world.pass(2min);
  Cost cost;
  world.on_tick = [&](Daemon&, const control::TickReport& report) {
    cost.longest = std::max(cost.longest, report.took);
  };
  const MonoTime since = world.universe.now();
  const std::uint64_t ticks = world.ticks;
  world.pass(8min);
  cost.ticks = world.ticks - ticks;
  cost.snapshots = world.asked_for(Service::supabase, "gpuwarden_snapshot", since);
  cost.other_supabase = world.asked_for(Service::supabase, "", since) - cost.snapshots;
  cost.lists = world.asked_for(Service::runpod, "list", since);
  cost.ssh = world.asked_for(Service::ssh, "", since);
  EXPECT_LE(world.asked_for(Service::runpod, "", since) - cost.lists, 4) << "the catalogue, twice at most";
  return cost;
}

TEST(SimulationCase05, ATickCostsTheSameTwoRequestsAtOnceForTwoFiftyAndTwoHundredWorkers) {
  for (const int workers : kSanitized ? std::vector{2, 50} : std::vector{2, 50, 200}) {
    SCOPED_TRACE(workers);
    const Cost cost = cost_of(workers);
    EXPECT_GE(cost.ticks, 95U);
    EXPECT_NEAR(cost.snapshots, static_cast<int>(cost.ticks), 1);
    EXPECT_NEAR(cost.lists, static_cast<int>(cost.ticks), 1);
    EXPECT_EQ(cost.other_supabase, 0);
    EXPECT_EQ(cost.ssh, 0);
    EXPECT_LT(cost.longest, 100ms) << "two round trips of 50 ms: they were not made at once";
  }
}

/// Workers that lived and ended before the daemon came.
void add_history(Database& database, int count, WallTime now) {
  const auto lead =
      database.rpc("gpuwarden_snapshot", {{"owner_param", kOwner}, {"holder_param", "history"}}, now);
  nlohmann::json fence{{"owner_param", kOwner}, {"epoch_param", lead.at("leader").at("epoch")}};
  for (int n = 0; n < count; ++n) {
    nlohmann::json arguments = fence;
    arguments["worker_id_param"] = make_worker_id(kOwner, now, static_cast<std::uint64_t>(n)).str();
    nlohmann::json registered = arguments, ended = arguments;
    registered["details_param"] = {{"gpu", kFirstGpu}};
    ended["expected_param"] = {"spawning"};
    ended["change_param"] = {{"status", "terminated"}, {"phase", "gone"}};
    ASSERT_TRUE(database.rpc("gpuwarden_register_worker", registered, now).at("done").get<bool>());
    ASSERT_TRUE(database.rpc("gpuwarden_update_worker", ended, now).at("done").get<bool>());
  }
  nlohmann::json resigned = fence;
  resigned["holder_param"] = "history";
  database.rpc("gpuwarden_resign", resigned, now);
}

TEST(SimulationCase06, AFleetWithThousandsOfEndedRowsReadsItsLiveOnesAloneAndWorksAsWithoutThem) {
  std::vector<std::size_t> longest;
  for (const int history : {0, 2500}) {
    SCOPED_TRACE(history);
    CaseWorld world(calm(4));
    add_history(world.universe.database, history, world.universe.wall());
    world.pass(25h);
    std::size_t bytes = 0;
    int looks = 0, wrong = 0;
    world.universe.weather.on_answer = [&](std::string_view function, const nlohmann::json&,
                                           const nlohmann::json& answer) {
      if (function != "gpuwarden_snapshot") return;
      ++looks;
      bytes = std::max(bytes, answer.dump().size());
      if (answer.at("workers").size() != world.universe.database.live_workers(kOwner).size()) ++wrong;
    };
    world.queue(8);
    world.start();
    EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 8; }, 30min));
    EXPECT_TRUE(world.until([&] { return world.pod_ids().empty(); }, 30min));
    EXPECT_EQ(world.posts(), 4);
    EXPECT_GT(looks, 50);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(world.universe.database.workers().size(), static_cast<std::size_t>(history + 4));
    longest.push_back(bytes);
  }
  // Its 200 newest ends are named for an hour.
  EXPECT_LE(longest[1], longest[0] + std::size_t{200} * 100);
}

/// What a row holds of the pod's and of the daemon's words; each may only grow.
void expect_nothing_lost(const rows::WorkerRow& before, const rows::WorkerRow& now) {
  const auto kept = [](const std::string& old, const std::string& next) {
    return old.empty() || old == next;
  };
  EXPECT_TRUE(kept(before.git_commit, now.git_commit)) << now.id;
  EXPECT_TRUE(kept(before.pod, now.pod)) << now.id;
  EXPECT_TRUE(kept(before.token_sha256, now.token_sha256)) << now.id;
  EXPECT_EQ(before.details, now.details) << now.id;
  EXPECT_GE(now.heartbeat_at, before.heartbeat_at) << now.id;
  EXPECT_GE(now.last_task_at, before.last_task_at) << now.id;
  EXPECT_GE(now.completed_tasks, before.completed_tasks) << now.id;
  EXPECT_TRUE(!before.vram_total_mb || now.vram_total_mb == before.vram_total_mb) << now.id;
  EXPECT_TRUE(!before.disk_free_mb || now.disk_free_mb) << now.id;
  EXPECT_TRUE(before.activated_at == WallTime{} || before.activated_at == now.activated_at) << now.id;
  EXPECT_TRUE(before.crash.is_null() || before.crash == now.crash) << now.id;
}

TEST(SimulationCase15, WritesOfTheDaemonAndItsPodsThatCrossEachOtherLoseNobodysFields) {
  CaseWorld world(calm(6));
  world.universe.weather.duplicates = 1;  // each write of the daemon comes once more, up to 30 s later
  world.fate = [](Service service, std::string_view) -> std::optional<Fate> {
    if (service != Service::supabase) return std::nullopt;
    return Fate{Fate::Kind::done, 2s};
  };
  world.pod_fate = [&](const nlohmann::json&) {
    PodFate fate;
    if (world.starts == 2) fate.faults = {{RuntimeFault::Kind::crash, 3min}};
    return fate;
  };
  std::map<std::string, rows::WorkerRow> seen;
  std::set<std::string> functions, fields;
  world.universe.weather.on_answer = [&](std::string_view function, const nlohmann::json& arguments,
                                         const nlohmann::json&) {
    functions.insert(std::string(function));
    if (function == "gpuwarden_update_worker") {
      for (const auto& [field, value] : arguments.at("change_param").items()) fields.insert(field);
    }
    for (const auto& [id, row] : world.universe.database.workers()) {
      const auto [known, fresh] = seen.try_emplace(id, row);
      if (!fresh) expect_nothing_lost(known->second, row);
      known->second = row;
    }
  };
  world.queue(12);
  world.start();
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 12; }, 1h));
  EXPECT_TRUE(world.until([&] { return world.pod_ids().empty(); }, 1h));
  for (const auto& [id, row] : world.universe.database.workers()) {
    if (row.activated_at == WallTime{}) continue;
    EXPECT_FALSE(row.git_commit.empty() || row.pod.empty() || row.token_sha256.empty()) << id;
    EXPECT_TRUE(row.vram_total_mb && row.agent_uptime_s && row.disk_free_mb) << id;
  }
  // Nothing is read in order to be written, and nothing is written that is the pod's to say.
  EXPECT_THAT(functions, testing::IsSubsetOf({"gpuwarden_snapshot", "gpuwarden_register_worker",
                                              "gpuwarden_update_worker", "gpuwarden_fail_worker",
                                              "gpuwarden_add_evidence", "gpuwarden_save_state",
                                              "gpuwarden_rescue_tasks", "gpuwarden_prune"}));
  EXPECT_THAT(fields, testing::IsSubsetOf({"status", "phase", "step", "pod_id", "token_sha256", "cost_per_hr",
                                           "drain_reason", "end_reason", "success"}));
  EXPECT_GE(fields.size(), 5U);
}

}  // namespace
}  // namespace gpuwarden::simulation
