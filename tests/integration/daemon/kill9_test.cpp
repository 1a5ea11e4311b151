#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

/// Three tasks before every fourth of the first kills; eight long ones before the kill within a create.
constexpr int kKills = 20, kWave = 4, kKillInCreate = 16, kLastTasks = 8;
constexpr int kTasks = 3 * kKillInCreate / kWave + kLastTasks;

bool leads(const Json& status) {
  return status.is_object() && status.contains("daemon") && status["daemon"].value("leading", false);
}

/// Words of what is in flight, such as "spawn" or "bring_up", without the workers' names.
std::set<std::string> in_flight(const Json& status) {
  std::set<std::string> words;
  if (!status.is_object() || !status.contains("in_flight")) return words;
  for (const Json& each : status["in_flight"]) {
    const auto text = each.get<std::string>();
    words.insert(text.substr(0, text.find(' ')));
  }
  return words;
}

/// Workers whose create was asked for and not yet known to be answered, as the log ends.
std::set<std::string> creating(const Stack& stack) {
  std::set<std::string> workers;
  for (const Json& line : stack.log_events("spawning")) workers.insert(line["worker"].get<std::string>());
  for (const Json& line : stack.log_events("spawn")) workers.erase(line["worker"].get<std::string>());
  return workers;
}

/// More work comes than the fleet can do; returns right after the next create was asked for: between the
/// intent and the answer, the worst moment to die.
void wait_for_a_create(Stack& stack) {
  const std::size_t before = stack.daemon_log().size();
  stack.add_tasks(kLastTasks, 8.0);
  eventually(
      10s, [&] { return stack.daemon_log().find("\"event\":\"spawning\"", before) != std::string::npos; },
      1ms);
}

/// Every create that the stand-in carried out belongs to a worker's row of its own.
void expect_one_pod_for_each_intent(Stack& stack) {
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
  const int created = stack.state().at("created");
  EXPECT_GE(created, 1);
  const Json rows = stack.sql(
      "select count(*) as n, count(distinct pod_id) as pods from gpuwarden_workers "
      "where pod_id is not null");
  EXPECT_EQ(rows[0]["n"], rows[0]["pods"]) << "two workers with one pod";
  EXPECT_EQ(rows[0]["pods"], created)
      << stack.sql("select worker_id, pod_id, end_reason from gpuwarden_workers").dump(1);
}

TEST(Kill9, OfTwentyLeadersAtRandomMomentsLeaksNoPodMakesNoSecondPodAndLosesNoTask) {
  Stack::Options options;
  options.overrides = {{"MAX_ACTIVE_GPUS", "12"}};
  Stack stack(options);
  std::mt19937 random(20251015);
  std::uniform_int_distribution<int> pause_ms(0, 2500);
  int leaders = 0, busy = 0, in_create = 0;
  std::map<std::string, int> hit;
  for (int kill = 0; kill < kKills; ++kill) {
    if (kill < kKillInCreate && kill % kWave == 0) stack.add_tasks(3, 2.0);
    stack.start_daemon();
    // A standby does nothing that a kill could interrupt.
    EXPECT_TRUE(eventually(
        15s, [&] { return leads(stack.status()); }, 20ms))
        << stack.daemon_log();
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms(random)));
    const Json status = stack.status();
    const std::set<std::string> before = creating(stack);
    if (kill == kKillInCreate) wait_for_a_create(stack);
    stack.kill_daemon();
    in_create += creating(stack) != before;
    leaders += leads(status);
    const auto words = in_flight(status);
    busy += !words.empty();
    for (const std::string& word : words) ++hit[word];
    // The dead daemon's lease need not be waited for: the next one leads at once, as the only daemon there
    // is.
    stack.execute("update gpuwarden_leaders set expires_at = now()");
  }
  std::string what;
  for (const auto& [word, count] : hit) what += " " + word + "=" + std::to_string(count);
  std::printf("%d kills: %d of a leader, %d within a create, %d with actions in flight:%s\n", kKills, leaders,
              in_create, busy, what.c_str());
  EXPECT_GE(leaders, 15);
  EXPECT_GE(busy, 3);
  EXPECT_GE(in_create, 1);

  stack.start_daemon();
  EXPECT_TRUE(eventually(240s, [&] { return all_complete_and_no_pod(stack, kTasks); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, kTasks);
  expect_one_pod_for_each_intent(stack);
  // Intents of which nothing came are given up after a minute.
  EXPECT_TRUE(eventually(90s, [&] { return stack.status()["workers"].empty(); })) << stack.status().dump(1);
  EXPECT_TRUE(stack.state().at("pods").empty());
}

}  // namespace
}  // namespace gpuwarden::test
