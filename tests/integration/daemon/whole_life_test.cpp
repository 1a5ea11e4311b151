#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

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

/// Seconds since the epoch of "2026-11-26T13:05:46.123Z", fractions kept.
double seconds_of(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) throw std::runtime_error("no time: '" + text + "'");
  return static_cast<double>(timegm(&parts)) + (*rest == '.' ? std::strtod(rest, nullptr) : 0.0);
}

/// Every failure was in the log at most 5 s after the pod's own status line of the worker's end.
void expect_each_failure_named_soon(Stack& stack) {
  std::map<std::string, double> died;
  const Json rows =
      stack.sql("select worker_id, evidence -> 'tails' -> 'bootstrap' as lines from gpuwarden_failures");
  for (const Json& row : rows) {
    for (const Json& line : row["lines"]) {
      const auto text = line.get<std::string>();
      const auto at = text.find("@gpuwarden {");
      const Json status =
          at == std::string::npos ? Json() : Json::parse(text.substr(at + 11), nullptr, false);
      if (status.is_object() && status["step"] == "start" && status["event"] == "fail")
        died[row["worker_id"]] = seconds_of(status["t"]);
    }
  }
  const auto named = stack.log_events("worker_failed");
  ASSERT_FALSE(named.empty());
  double longest = 0;
  for (const Json& line : named) {
    const std::string worker = line["worker"];
    ASSERT_TRUE(died.contains(worker)) << "no status line of its end: " << rows.dump(1);
    longest = std::max(longest, seconds_of(line["ts"]) - died[worker]);
  }
  std::printf("%zu failures named, at most %.1f s after the worker's end\n", named.size(), longest);
  EXPECT_LE(longest, 5.0);
}

TEST(WholeLife,
     Case09Case13TheCauseOfACrashAtStartIsNamedWithinFiveSecondsTheBreakerOpensAndTheFleetHealsByItself) {
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
  expect_each_failure_named_soon(stack);

  // Read after the repair: what is on its way meanwhile may come up.
  stack.scenario("healthy");
  std::string begun_before = "''";
  for (const Json& row : stack.sql("select worker_id from gpuwarden_workers"))
    begun_before += ",'" + row["worker_id"].get<std::string>() + "'";
  EXPECT_TRUE(eventually(150s, [&] { return all_complete_and_no_pod(stack, 6); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 6);
  for (const Json& failure : stack.sql("select cause, evidence_line from gpuwarden_failures")) {
    EXPECT_EQ(failure["cause"], "start_failed");
    EXPECT_FALSE(failure["evidence_line"].get<std::string>().empty())
        << "Case11: no failure without evidence";
  }
  // One canary, and nothing else before its first heartbeat.
  const Json later = stack.sql(
      "select canary, registered_at, activated_at, outcome from gpuwarden_workers "
      "where outcome = 'success' and worker_id not in (" +
      begun_before + ") order by registered_at");
  ASSERT_FALSE(later.empty());
  EXPECT_EQ(later[0]["canary"], true) << later.dump(1);
  for (std::size_t i = 1; i < later.size(); ++i) {
    EXPECT_GE(later[i]["registered_at"], later[0]["activated_at"]) << later.dump(1);
  }
}

TEST(WholeLife, Case10APodWhoseCreateAnswered500IsAdoptedByItsNameAndNeverCreatedTwice) {
  for (const std::string scenario : {"create-500-but-created", "create-500-but-created:drop"}) {
    SCOPED_TRACE(scenario);
    Stack::Options options;
    options.scenario = scenario;
    options.overrides = {{"MAX_ACTIVE_GPUS", "3"}};
    Stack stack(options);
    stack.add_tasks(3, 3.0);
    stack.start_daemon();
    EXPECT_TRUE(eventually(120s, [&] { return all_complete_and_no_pod(stack, 3); })) << stack.daemon_log();
    expect_each_task_completed_once(stack, 3);
    const Json state = stack.state();
    EXPECT_EQ(state.at("duplicate_names"), 0);
    EXPECT_LE(state.at("created"), 3) << "one pod for each task; a second create would be waste";
    EXPECT_EQ(stack.log_events("adopt").size(), state.at("created").get<std::size_t>());
    EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty());
  }
}

TEST(WholeLife, Case08ExhaustedCapacityIsNoFaultOfTheFleetAndEndsByItself) {
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
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(150s, [&] { return all_complete_and_no_pod(stack, 2); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, 2);
  EXPECT_EQ(stack.status()["breaker"]["state"], "closed");
}

TEST(WholeLife, Case14APodWhoseSshIsRefusedDelaysNoOther) {
  Stack::Options options;
  options.scenario = "ssh-refused:port";
  options.overrides = {
      {"MAX_ACTIVE_GPUS", "4"}, {"SPAWNING_TIMEOUT_SEC", "100"}, {"PROVISION_TIMEOUT_SEC", "100"}};
  Stack stack(options);
  stack.add_tasks(1);
  stack.start_daemon();
  // The first pod boots with a port that nobody listens on; the next ones are sound.
  ASSERT_TRUE(eventually(40s, [&] {
    const Json pods = stack.state().at("pods");
    return pods.size() == 1 && pods[0]["status"] == "RUNNING";
  })) << stack.daemon_log();
  stack.scenario("healthy");
  stack.add_tasks(3);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually(60s, [&] { return stack.state().at("tasks").value("complete", 0) == 4; }))
      << stack.daemon_log();
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("4 tasks done after %.1f s beside a pod without SSH\n", took);
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty()) << "the patience for it is not over yet";
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
