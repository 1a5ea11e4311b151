#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "process_figures.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

double cpu_seconds(pid_t pid) {
  std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Counts {
  long ticks, supabase, lists, runpod;
};

Counts counts(Stack& stack) {
  const Json requests = stack.state().at("requests");
  long supabase = 0;
  for (const auto& [function, number] : requests.at("supabase").items()) {
    if (function != "gpuwarden_worker_report" && function != "gpuwarden_claim_task")
      supabase += number.get<long>();
  }
  return {stack.status().at("tick").get<long>(), supabase, requests.at("by_route").value("GET /v2/pods", 0L),
          requests.value("total", 0L)};
}

TEST(Footprint, AnIdleDaemonIsSmallQuietAndAsksTwoQuestionsATick) {
  const int workers = from_environment("GPUWARDEN_MEASURE_WORKERS", 10);
  const int seconds = from_environment("GPUWARDEN_MEASURE_SECONDS", 30);
  Stack::Options options;
  options.overrides = {
      {"MIN_ACTIVE_GPUS", std::to_string(workers)},
      {"MAX_ACTIVE_GPUS", std::to_string(workers)},
      {"ORCHESTRATOR_POLL_SEC", "5"},
      {"HEARTBEAT_INTERVAL_SEC", "20"},
      {"HEARTBEAT_TIMEOUT_SEC", "120"},
      {"MAX_SPAWNS_PER_MINUTE", "60"},
      {"PROVISION_TIMEOUT_SEC", "600"},
      {"SPAWNING_TIMEOUT_SEC", "900"},
      // Workers that ask for tasks every second would be the machine's load, not the daemon's.
      {"WORKER_START_CMD", "exec sleep 86400"}};
  options.sandbox_arguments = {"--quota", "60"};
  Stack stack(options);
  stack.start_daemon();
  const bool first = goes_first(stack.daemon().pid());
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually(
      600s,
      [&] {
        Json status = stack.status();
        return status.is_object() && status["scale"]["active"] == workers;
      },
      500ms))
      << stack.daemon_log();
  const auto up = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::this_thread::sleep_for(6s);

  const Counts before = counts(stack);
  const double cpu_before = cpu_seconds(stack.daemon().pid());
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double cpu = (cpu_seconds(stack.daemon().pid()) - cpu_before) / seconds * 100.0;
  const Counts after = counts(stack);
  const double stall = longest_stall_ms(stack);
  const double resident = resident_mb(stack.daemon().pid());
  const long ticks = after.ticks - before.ticks;
  std::printf(
      "workers %d, up after %.0f s: resident %.1f MB, CPU %.2f %% of a core, %ld ticks, %ld Supabase and %ld "
      "Runpod requests, longest stall %.0f ms%s\n",
      workers, up, resident, cpu, ticks, after.supabase - before.supabase, after.runpod - before.runpod,
      stall, first ? "" : " (with all others on its processors)");
  EXPECT_EQ(stack.state().at("requests").value("rate_limited", -1), 0)
      << "the quota of 60 a minute was exceeded";
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
  EXPECT_LE(resident, 25.0);
  EXPECT_LE(cpu, 0.5);
  if (first) EXPECT_LE(stall, 50.0);
  // The ends of the interval may cut a tick in two.
  EXPECT_NEAR(static_cast<double>(after.supabase - before.supabase), static_cast<double>(ticks), 1.0);
  EXPECT_NEAR(static_cast<double>(after.lists - before.lists), static_cast<double>(ticks), 1.0);
}

/// Requests over twenty ticks with a fleet of this size. Its pods wait for a machine for ever and its
/// workers' heartbeats are written here: the daemon sees a working fleet, this machine carries none.
Counts requests_of_twenty_ticks(int workers) {
  Stack::Options options;
  options.scenario = "slow-provisioning:86400";
  options.overrides = {{"MIN_ACTIVE_GPUS", std::to_string(workers)},
                       {"MAX_ACTIVE_GPUS", std::to_string(workers)},
                       {"MAX_SPAWNS_PER_MINUTE", "600"},
                       {"PROVISION_TIMEOUT_SEC", "3600"},
                       {"SPAWNING_TIMEOUT_SEC", "7200"},
                       {"HEARTBEAT_TIMEOUT_SEC", "60"}};
  options.sandbox_arguments = {"--quota", "100000"};
  Stack stack(options);
  const auto heartbeat = [&] {
    stack.execute(
        "update gpuwarden_workers set status = 'active', phase = 'idle', phase_since = now(), "
        "activated_at = now(), outcome = 'success', outcome_at = now() where status = 'spawning' and pod_id "
        "is not null;"
        "update workers set status = 'active', last_heartbeat = now() where id in "
        "(select worker_id from gpuwarden_workers where status = 'active')");
  };
  stack.start_daemon();
  const bool up = eventually(
      240s,
      [&] {
        heartbeat();
        Json status = stack.status();
        return status.is_object() && status["scale"]["active"] == workers;
      },
      500ms);
  EXPECT_TRUE(up) << stack.daemon_log();
  std::this_thread::sleep_for(2s);
  const Counts before = counts(stack);
  eventually(
      60s,
      [&] {
        heartbeat();
        return counts(stack).ticks >= before.ticks + 20;
      },
      500ms);
  const Counts after = counts(stack);
  EXPECT_EQ(stack.status()["scale"]["active"], workers) << stack.daemon_log();
  const Counts spent{after.ticks - before.ticks, after.supabase - before.supabase, after.lists - before.lists,
                     after.runpod - before.runpod};
  std::printf("workers %d: %ld ticks, %ld requests to Supabase, %ld to Runpod\n", workers, spent.ticks,
              spent.supabase, spent.runpod);
  return spent;
}

TEST(Requests, Case05OfATickAreTheSameWithTenAndWithTwoHundredWorkers) {
  const Counts few = requests_of_twenty_ticks(10);
  const Counts many = requests_of_twenty_ticks(200);
  for (const Counts& spent : {few, many}) {
    ASSERT_GE(spent.ticks, 20);
    // The ends of the interval may cut a tick in two.
    EXPECT_NEAR(static_cast<double>(spent.supabase), static_cast<double>(spent.ticks), 1.0);
    EXPECT_NEAR(static_cast<double>(spent.runpod), static_cast<double>(spent.ticks), 1.0);
  }
}

}  // namespace
}  // namespace gpuwarden::test
