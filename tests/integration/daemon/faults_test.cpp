#include <csignal>
#include <cstdlib>
#include <random>
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

/// A fleet with three active workers that stay busy.
void make_busy(Stack& stack) {
  stack.add_tasks(3, 600.0);
  stack.start_daemon();
  ASSERT_TRUE(eventually(60s, [&] {
    Json status = stack.status();
    return status.is_object() && status["scale"]["active"] == 3 && status["scale"]["running"] == 3;
  })) << stack.daemon_log();
}

Stack::Options three_workers() {
  Stack::Options options;
  options.overrides = {{"MAX_ACTIVE_GPUS", "3"}, {"HEARTBEAT_TIMEOUT_SEC", "8"}};
  return options;
}

class Outage : public testing::TestWithParam<std::string> {};

/// Three heartbeat time-outs, long enough for every heartbeat to look lost; GPUWARDEN_OUTAGE_SECONDS for a
/// longer one.
std::chrono::seconds outage_length() {
  const char* text = std::getenv("GPUWARDEN_OUTAGE_SECONDS");
  return std::chrono::seconds(text == nullptr ? 24 : std::atoi(text));
}

TEST_P(Outage, Case01Case02NothingIsKilledNothingIsCreatedAndWorkResumesByItself) {
  Stack stack(three_workers());
  ASSERT_NO_FATAL_FAILURE(make_busy(stack));
  const auto before = pod_ids(stack);
  const int creates = stack.state().at("creates");
  const int deletes = stack.state().at("deletes");
  stack.scenario("supabase-outage:" + GetParam());
  std::this_thread::sleep_for(outage_length());
  EXPECT_EQ(pod_ids(stack), before);
  stack.scenario("healthy");
  std::this_thread::sleep_for(12s);
  EXPECT_EQ(pod_ids(stack), before) << stack.daemon_log();
  EXPECT_EQ(stack.state().at("creates"), creates);
  EXPECT_EQ(stack.state().at("deletes"), deletes);
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
  EXPECT_TRUE(eventually(20s, [&] { return stack.status()["scale"]["active"] == 3; }));
}
INSTANTIATE_TEST_SUITE_P(Kinds, Outage, testing::Values("unreadable", "unwritable", "down"),
                         [](const auto& kind) { return kind.param; });

TEST(Kill9, TwentyKillsAtRandomMomentsLeakNoPodAndLoseNoTask) {
  Stack stack;
  constexpr int kTasks = 12;
  stack.add_tasks(kTasks);
  std::mt19937 random(20251015);
  std::uniform_int_distribution<int> pause_ms(150, 2500);
  for (int kill = 0; kill < 20; ++kill) {
    stack.start_daemon();
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms(random)));
    stack.kill_daemon();
  }
  stack.start_daemon();
  EXPECT_TRUE(eventually(180s, [&] {
    const Json state = stack.state();
    return state.at("tasks").value("complete", 0) == kTasks && state.at("pods").empty();
  })) << stack.daemon_log();
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
  EXPECT_EQ(stack.state().at("tasks").value("completed_twice", -1), 0);
  EXPECT_TRUE(eventually(30s, [&] { return stack.status()["workers"].empty(); })) << stack.status().dump(1);
}

TEST(DeadWorker, ItsTaskIsRequeuedWithTheAttemptCountedAndDoneByAnother) {
  Stack stack(three_workers());
  ASSERT_NO_FATAL_FAILURE(make_busy(stack));
  const Json state = stack.state();
  const std::string victim = state.at("pods")[0].at("id");
  ASSERT_EQ(run({"/usr/bin/curl", "-sS", "-X", "POST", "-d", Json{{"kill_worker", victim}}.dump(),
                 stack.control() + "/sandbox/fault"},
                own_environment())
                .exit_code,
            0);
  EXPECT_TRUE(eventually(30s, [&] { return !stack.sql("select 1 from gpuwarden_failures").empty(); }))
      << stack.daemon_log();
  const Json failure = stack.sql("select cause from gpuwarden_failures")[0];
  // A kill without a line of the kernel can be either.
  EXPECT_THAT(failure["cause"].get<std::string>(), testing::AnyOf("worker_crashed", "out_of_memory"));
  EXPECT_TRUE(eventually(60s, [&] {
    return stack.sql("select 1 from tasks where attempts = 1 and status::text = 'In Progress'").size() == 1;
  })) << stack.daemon_log();
}

}  // namespace
}  // namespace gpuwarden::test
