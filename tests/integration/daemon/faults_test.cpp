#include <algorithm>
#include <cstdlib>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

std::set<std::string> pod_ids(Stack& stack) {
  std::set<std::string> ids;
  const Json state = stack.state();
  for (const Json& pod : state.at("pods")) ids.insert(pod.at("id"));
  return ids;
}

/// A fleet with three active workers that stay busy for `seconds`.
void make_busy(Stack& stack, double seconds) {
  stack.add_tasks(3, seconds);
  stack.start_daemon();
  ASSERT_TRUE(eventually(60s, [&] {
    Json status = stack.status();
    return status.is_object() && status["scale"]["active"] == 3 && status["scale"]["running"] == 3;
  })) << stack.daemon_log();
}

Stack::Options workers_at_most(int number) {
  Stack::Options options;
  options.overrides = {{"MAX_ACTIVE_GPUS", std::to_string(number)}, {"HEARTBEAT_TIMEOUT_SEC", "8"}};
  return options;
}

/// What is broken, one after the other, without a healthy moment in between.
class Outage : public testing::TestWithParam<std::vector<std::string>> {};

/// Three heartbeat time-outs, long enough for every heartbeat to look lost; GPUWARDEN_OUTAGE_SECONDS for a
/// longer one.
std::chrono::seconds outage_length() {
  const char* text = std::getenv("GPUWARDEN_OUTAGE_SECONDS");
  return std::chrono::seconds(text == nullptr ? 24 : std::atoi(text));
}

TEST_P(Outage, Case01Case02NothingIsKilledNothingIsCreatedAndTheFleetGrowsByItselfOnceItIsOver) {
  const std::vector<std::string>& kinds = GetParam();
  const auto whole = outage_length() * static_cast<int>(kinds.size());
  Stack stack(workers_at_most(6));
  // Still at work some time after the outage, so that killing one would show: the third worker waits for the
  // slow start's first two, which are at work all that while.
  ASSERT_NO_FATAL_FAILURE(make_busy(stack, static_cast<double>((whole + 35s).count())));
  const auto before = pod_ids(stack);
  const int creates = stack.state().at("creates");
  const int deletes = stack.state().at("deletes");
  for (const std::string& kind : kinds) {
    stack.scenario("supabase-outage:" + kind);
    // There is a reason to create, and room for it: the ceiling is 6.
    if (kind == kinds.front()) stack.insert_tasks(3, 1.0);
    std::this_thread::sleep_for(outage_length());
    EXPECT_EQ(pod_ids(stack), before) << kind;
    EXPECT_EQ(stack.state().at("creates"), creates) << kind;
  }
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(40s, [&] { return stack.state().at("creates") > creates; })) << stack.daemon_log();
  EXPECT_THAT(pod_ids(stack), testing::IsSupersetOf(before));
  EXPECT_EQ(stack.state().at("deletes"), deletes);
  EXPECT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 6); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 6);
  EXPECT_TRUE(stack.sql("select 1 from tasks where attempts > 0").empty()) << "no task was taken away";
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
}
INSTANTIATE_TEST_SUITE_P(Kinds, Outage,
                         testing::Values(std::vector<std::string>{"unreadable", "unwritable"},
                                         std::vector<std::string>{"down"}),
                         [](const auto& kinds) {
                           return kinds.param.size() == 1 ? kinds.param[0]
                                                          : kinds.param[0] + "_then_" + kinds.param[1];
                         });

TEST(DeadWorker, ItsTaskIsRequeuedWithTheAttemptCountedAndDoneByAnother) {
  Stack stack(workers_at_most(3));
  ASSERT_NO_FATAL_FAILURE(make_busy(stack, 20.0));
  const std::string victim = stack.state().at("pods")[0].at("id");
  stack.fault({{"kill_worker", victim}});
  EXPECT_TRUE(eventually(30s, [&] { return !stack.sql("select 1 from gpuwarden_failures").empty(); }))
      << stack.daemon_log();
  const Json failure = stack.sql("select cause, cardinality(task_ids) as tasks from gpuwarden_failures")[0];
  // A kill without a line of the kernel can be either.
  EXPECT_THAT(failure["cause"].get<std::string>(), testing::AnyOf("worker_crashed", "out_of_memory"));
  EXPECT_EQ(failure["tasks"], 1) << "the failure names the task that it cost";
  EXPECT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 3); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 3);
  EXPECT_EQ(stack.sql("select 1 from tasks where attempts = 1").size(), 1u);
}

bool held_back_by(const Stack& stack, const std::string& gate) {
  const auto held = stack.log_events("held_back");
  return std::any_of(held.begin(), held.end(), [&](const Json& line) { return line["gate"] == gate; });
}

TEST(HeartbeatLoss, OfTheWholeFleetIsBelievedToBeNobodysDeath) {
  Stack stack(workers_at_most(3));
  ASSERT_NO_FATAL_FAILURE(make_busy(stack, 35.0));
  const auto before = pod_ids(stack);
  stack.scenario("heartbeat-loss");
  EXPECT_TRUE(eventually(20s, [&] { return held_back_by(stack, "observer"); })) << stack.daemon_log();
  std::this_thread::sleep_for(10s);
  EXPECT_EQ(pod_ids(stack), before);
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 3); })) << stack.daemon_log();
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
  EXPECT_TRUE(stack.sql("select 1 from tasks where attempts > 0").empty());
}

TEST(HeartbeatLoss, OfADeadWorkerIsToldFromThatOfALivingOneOverSsh) {
  Stack stack(workers_at_most(2));
  stack.add_tasks(2, 40.0);
  stack.start_daemon();
  ASSERT_TRUE(eventually(60s, [&] { return stack.status()["scale"]["running"] == 2; })) << stack.daemon_log();
  const Json pods = stack.state().at("pods");
  ASSERT_EQ(pods.size(), 2u);
  stack.scenario("heartbeat-loss");
  stack.fault({{"kill_worker", pods[0].at("id")}});
  EXPECT_TRUE(eventually(40s, [&] { return !stack.sql("select 1 from gpuwarden_failures").empty(); }))
      << stack.daemon_log();
  stack.scenario("healthy");
  const Json failures = stack.sql("select worker_id, cause from gpuwarden_failures");
  ASSERT_EQ(failures.size(), 1u) << failures.dump();
  EXPECT_EQ(failures[0]["worker_id"], pods[0].at("name"));
  // The probe finds the process gone; the agent's log may say more about its end.
  EXPECT_THAT(failures[0]["cause"].get<std::string>(),
              testing::AnyOf("heartbeat_lost", "worker_crashed", "out_of_memory"));
  EXPECT_TRUE(eventually(120s, [&] { return all_complete_and_no_pod(stack, 2); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 2);
}

}  // namespace
}  // namespace gpuwarden::test
