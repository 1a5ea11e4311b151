#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

bool all_complete_and_no_pod(Stack& stack, int tasks) {
  const Json state = stack.state();
  return state.at("tasks").value("complete", 0) == tasks && state.at("pods").empty();
}

void expect_each_task_completed_once(Stack& stack, int tasks) {
  const Json rows = stack.sql("select status::text, count(*) as n from tasks group by 1");
  ASSERT_EQ(rows.size(), 1u) << rows.dump();
  EXPECT_EQ(rows[0]["status"], "Complete");
  EXPECT_EQ(rows[0]["n"], tasks);
  EXPECT_EQ(stack.state().at("tasks").value("completed_twice", -1), 0);
}

TEST(WholeLife, TheQueueIsWorkedOffAndTheFleetGoesBackToZero) {
  Stack stack;
  stack.add_tasks(8);
  stack.start_daemon();
  std::size_t most = 0;
  ASSERT_TRUE(eventually(120s, [&] {
    most = std::max(most, stack.state().at("pods").size());
    return all_complete_and_no_pod(stack, 8);
  })) << stack.daemon_log();
  EXPECT_GT(most, 1u);
  expect_each_task_completed_once(stack, 8);
  EXPECT_TRUE(eventually(20s, [&] { return stack.status().at("workers").empty(); }));
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
  const Json requests = stack.state().at("requests");
  for (const auto& [route, count] : requests.at("by_route").items()) {
    EXPECT_THAT(route, testing::HasSubstr(" /v2/")) << "Case18: REST v2 only";
  }
  EXPECT_EQ(stack.stop_daemon(), 0);
}

TEST(WholeLife, Case13TheCauseOfACrashAtStartIsNamedTheBreakerOpensAndTheFleetHealsByItself) {
  Stack::Options options;
  options.scenario = "worker-crash";
  Stack stack(options);
  stack.add_tasks(6);
  stack.start_daemon();
  ASSERT_TRUE(eventually(60s, [&] { return !stack.sql("select id from gpuwarden_failures").empty(); }))
      << stack.daemon_log();
  const Json first = stack.sql(
      "select cause, evidence_line, advice, evidence from gpuwarden_failures order by created_at limit 1")[0];
  EXPECT_EQ(first["cause"], "start_failed");
  EXPECT_THAT(first["evidence_line"].get<std::string>(), testing::HasSubstr("unrecognized arguments"));
  ASSERT_TRUE(eventually(90s, [&] { return stack.status()["breaker"]["state"] == "open"; }))
      << stack.daemon_log();
  EXPECT_LE(stack.state().at("creates").get<int>(), 7);
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(150s, [&] { return all_complete_and_no_pod(stack, 6); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 6);
  for (const Json& failure : stack.sql("select cause, evidence_line from gpuwarden_failures")) {
    EXPECT_NE(failure["cause"], "unclassified");
    EXPECT_FALSE(failure["evidence_line"].get<std::string>().empty())
        << "Case11: no failure without evidence";
  }
}

TEST(WholeLife, Case10APodWhoseCreateAnswered500IsAdoptedByItsNameAndNeverCreatedTwice) {
  Stack::Options options;
  options.scenario = "create-500-but-created";
  Stack stack(options);
  stack.add_tasks(3);
  stack.start_daemon();
  EXPECT_TRUE(eventually(120s, [&] { return all_complete_and_no_pod(stack, 3); })) << stack.daemon_log();
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
  expect_each_task_completed_once(stack, 3);
}

TEST(WholeLife, Case08ExhaustedCapacityIsNoFaultOfTheFleet) {
  Stack::Options options;
  options.scenario = "no-capacity";
  Stack stack(options);
  stack.add_tasks(2);
  stack.start_daemon();
  ASSERT_TRUE(eventually(30s, [&] { return stack.state().at("creates").get<int>() >= 1; }));
  std::this_thread::sleep_for(5s);
  EXPECT_LE(stack.state().at("creates").get<int>(), 4) << "an exhausted candidate is set aside";
  EXPECT_EQ(stack.status()["breaker"]["state"], "closed");
  EXPECT_TRUE(stack.state().at("pods").empty());
}

TEST(WholeLife, SigtermEndsWithinTenSecondsAndLeavesThePodsToTheNextDaemon) {
  Stack stack;
  stack.add_tasks(4, 4.0);
  stack.start_daemon();
  ASSERT_TRUE(eventually(40s, [&] {
    return stack.status()["scale"]["active"].is_number() && stack.status()["scale"]["active"] > 0;
  })) << stack.daemon_log();
  EXPECT_EQ(stack.stop_daemon(10s), 0);
  const Json pods = stack.state().at("pods");
  EXPECT_FALSE(pods.empty());
  stack.start_daemon();
  EXPECT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 4); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 4);
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
}

TEST(WholeLife, Case17OfTwoDaemonsOneLeadsAndTheOtherWaits) {
  Stack stack;
  stack.start_daemon();
  ASSERT_TRUE(eventually(20s, [&] { return stack.status()["daemon"]["leading"] == true; }));
  auto environment = stack.environment();
  environment["GPUWARDEN_SOCKET"] = stack.dir() + "/second.sock";
  Process second({GPUWARDEN_PROGRAM, "run"}, environment, stack.dir() + "/second.log");
  stack.add_tasks(3);
  EXPECT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 3); }));
  const std::string log = read_file(stack.dir() + "/second.log");
  EXPECT_THAT(log, testing::Not(testing::HasSubstr("\"event\":\"spawning\"")));
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
}

}  // namespace
}  // namespace gpuwarden::test
