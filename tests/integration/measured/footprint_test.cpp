#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

double resident_mb(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

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
  options.overrides = {{"MIN_ACTIVE_GPUS", std::to_string(workers)},
                       {"MAX_ACTIVE_GPUS", std::to_string(workers)},
                       {"ORCHESTRATOR_POLL_SEC", "5"},
                       {"HEARTBEAT_INTERVAL_SEC", "20"},
                       {"HEARTBEAT_TIMEOUT_SEC", "120"},
                       {"MAX_SPAWNS_PER_MINUTE", "60"},
                       {"PROVISION_TIMEOUT_SEC", "600"},
                       {"SPAWNING_TIMEOUT_SEC", "900"}};
  options.sandbox_arguments = {"--quota", "60"};
  Stack stack(options);
  stack.start_daemon();
  ASSERT_TRUE(eventually(
      600s,
      [&] {
        Json status = stack.status();
        return status.is_object() && status["scale"]["active"] == workers;
      },
      500ms))
      << stack.daemon_log();
  std::this_thread::sleep_for(6s);

  const Counts before = counts(stack);
  const double cpu_before = cpu_seconds(stack.daemon().pid());
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double cpu = (cpu_seconds(stack.daemon().pid()) - cpu_before) / seconds * 100.0;
  const Counts after = counts(stack);
  const double resident = resident_mb(stack.daemon().pid());
  const long ticks = after.ticks - before.ticks;
  std::printf(
      "workers %d: resident %.1f MB, CPU %.2f %% of a core, %ld ticks, %ld Supabase and %ld Runpod requests, "
      "longest stall %s ms\n",
      workers, resident, cpu, ticks, after.supabase - before.supabase, after.runpod - before.runpod,
      stack.status()["daemon"]["longest_stall_ms"].dump().c_str());
  EXPECT_EQ(stack.state().at("requests").value("rate_limited", -1), 0)
      << "the quota of 60 a minute was exceeded";
  EXPECT_LE(resident, 25.0);
  EXPECT_LE(cpu, 0.5);
  // The ends of the interval may cut a tick in two.
  EXPECT_NEAR(static_cast<double>(after.supabase - before.supabase), static_cast<double>(ticks), 1.0);
  EXPECT_NEAR(static_cast<double>(after.lists - before.lists), static_cast<double>(ticks), 1.0);
}

}  // namespace
}  // namespace gpuwarden::test
