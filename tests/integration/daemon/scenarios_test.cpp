#include <algorithm>
#include <cctype>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

/// A scenario of the sandbox and what the daemon must say of it.
struct Story {
  std::string scenario;
  std::string cause;  ///< of the first failure, once the crash bundle is in
  std::map<std::string, std::string> overrides{};
  double task_seconds{1.0};
};

std::ostream& operator<<(std::ostream& out, const Story& story) {
  return out << story.scenario;
}

std::string test_name(const testing::TestParamInfo<Story>& info) {
  std::string name = info.param.scenario;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

Stack::Options options_of(const Story& story) {
  Stack::Options options;
  options.scenario = story.scenario;
  options.sandbox_arguments = {"--fast"};
  options.overrides = {{"MAX_ACTIVE_GPUS", "2"}, {"BREAKER_PROBE_INTERVAL_SEC", "2"}};
  for (const auto& [name, value] : story.overrides) options.overrides[name] = value;
  return options;
}

/// The sandbox is repaired: the fleet finishes the work without a hand.
void expect_it_heals(Stack& stack, int tasks) {
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(150s, [&] { return all_complete_and_no_pod(stack, tasks); })) << stack.daemon_log();
  expect_each_task_completed_once(stack, tasks);
  EXPECT_EQ(stack.state().at("duplicate_names"), 0);
}

class Broken : public testing::TestWithParam<Story> {};

TEST_P(Broken, Case04Case11IsCalledByItsCauseAndHealsOnceTheSandboxIsRepaired) {
  const Story& story = GetParam();
  Stack stack(options_of(story));
  stack.add_tasks(3, story.task_seconds);
  stack.start_daemon();
  Json failures;
  const bool named = eventually(60s, [&] {
    failures =
        stack.sql("select cause, evidence_line, summary, advice from gpuwarden_failures order by created_at");
    return std::any_of(failures.begin(), failures.end(),
                       [&](const Json& failure) { return failure["cause"] == story.cause; });
  });
  EXPECT_TRUE(named) << failures.dump(1) << stack.daemon_log();
  expect_it_heals(stack, 3);
  for (const Json& failure : stack.sql("select cause, evidence_line, advice from gpuwarden_failures")) {
    EXPECT_EQ(failure["cause"], story.cause) << failure.dump();
    EXPECT_FALSE(failure["evidence_line"].get<std::string>().empty()) << failure.dump();
    EXPECT_FALSE(failure["advice"].get<std::string>().empty()) << failure.dump();
  }
  for (const Json& end : stack.sql("select extract(epoch from coalesce(w.ended_at, now()) - f.created_at) as "
                                   "seconds from gpuwarden_failures f "
                                   "join gpuwarden_workers w using (worker_id)"))
    EXPECT_LE(end["seconds"].get<double>(), 30.0) << "from the verdict until the pod was gone";
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, Broken,
    testing::Values(Story{"slow-provisioning:60", "provision_timeout", {{"PROVISION_TIMEOUT_SEC", "5"}}},
                    Story{"image-pull-failure", "image_pull_failed", {{"PROVISION_TIMEOUT_SEC", "5"}}},
                    Story{"ssh-refused:port", "ssh_unreachable", {{"SPAWNING_TIMEOUT_SEC", "20"}}},
                    Story{"ssh-refused:auth", "ssh_auth_failed", {{"SPAWNING_TIMEOUT_SEC", "20"}}},
                    Story{"ssh-refused:hostkey", "ssh_host_key_mismatch"},
                    Story{"script-failure:setup", "setup_failed"},
                    Story{"script-failure:fetch", "fetch_failed"},
                    Story{"script-failure:preflight", "preflight_gpu"},
                    Story{"worker-crash:later", "worker_crashed", {}, 3.0}),
    test_name);

class Slow : public testing::TestWithParam<Story> {};

TEST_P(Slow, IsNoFailureOfTheFleetAndTheWorkIsDoneMeanwhileOrAfterwards) {
  const Story& story = GetParam();
  Stack stack(options_of(story));
  stack.add_tasks(3, story.task_seconds);
  stack.start_daemon();
  ASSERT_TRUE(eventually(30s, [&] { return stack.state().at("created") >= 1; })) << stack.daemon_log();
  // As long as the trouble takes to show: a list that lags, a quota that is used up.
  std::this_thread::sleep_for(10s);
  EXPECT_LE(stack.state().at("created"), 2) << "no more pods than MAX_ACTIVE_GPUS";
  expect_it_heals(stack, 3);
  EXPECT_TRUE(stack.sql("select * from gpuwarden_failures").empty())
      << stack.sql("select * from gpuwarden_failures").dump(1);
  if (!story.cause.empty()) {
    const auto held = stack.log_events(story.cause);
    EXPECT_FALSE(held.empty()) << stack.daemon_log();
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Slow,
                         testing::Values(Story{"list-lag:8", ""}, Story{"rate-limit:8", "source_lost"},
                                         Story{"slow-provisioning:12", ""}),
                         test_name);

}  // namespace
}  // namespace gpuwarden::test
