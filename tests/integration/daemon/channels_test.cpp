// Where SSH, the database or both are away, a failure is named all the same, by whoever can still speak.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

/// What is away, what goes wrong on the pods, and who must have told the daemon which cause.
struct Story {
  std::string name, scenario;
  std::map<std::string, std::string> overrides;
  std::string cause, channel, words;
};

std::ostream& operator<<(std::ostream& out, const Story& story) {
  return out << story.name;
}

/// A setup that fails so many seconds after SSH may have gone.
std::map<std::string, std::string> bad_setup(int seconds) {
  return {
      {"WORKER_SETUP_CMD", "sleep " + std::to_string(seconds) +
                               "; echo 'ERROR: No matching distribution found for torch==9.9' >&2; exit 1"}};
}
const std::map<std::string, std::string> kBadStart{
    {"WORKER_SETUP_CMD", "true"},
    {"WORKER_START_CMD", "sleep 4; echo 'worker.py: error: unrecognized arguments: --turbo' >&2; exit 2"}};

class Channel : public testing::TestWithParam<Story> {};

TEST_P(Channel, Case04ThatIsLeftNamesTheCauseAndIsNamedItself) {
  const Story& story = GetParam();
  Stack::Options options;
  options.scenario = story.scenario;
  options.sandbox_arguments = {"--fast"};
  options.overrides = story.overrides;
  options.overrides["MAX_ACTIVE_GPUS"] = "1";
  Stack stack(options);
  if (stack.state().at("isolation") == "none") GTEST_SKIP() << "these pods have no log of their own";
  stack.add_tasks(1, 1.0);
  stack.start_daemon();
  Json failures;
  const std::string query =
      "select cause, evidence_line, evidence->>'channel' as channel from gpuwarden_failures "
      "order by created_at limit 1";
  ASSERT_TRUE(eventually(60s, [&] { return !(failures = stack.sql(query)).empty(); })) << stack.daemon_log();
  const auto named = [&] {
    failures = stack.sql(query);
    return failures[0]["cause"] == story.cause;
  };
  EXPECT_TRUE(eventually(25s, named)) << failures.dump(1) << stack.daemon_log();
  EXPECT_EQ(failures[0]["channel"], story.channel) << stack.daemon_log();
  EXPECT_THAT(failures[0]["evidence_line"].get<std::string>(), testing::HasSubstr(story.words));
  const auto told = stack.log_events("worker_failed");
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told[0]["channel"], story.channel);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, Channel,
    testing::Values(
        // Later than the first look into the container's log, and well before the second.
        Story{"SshEndsDuringTheScript", "ssh-refused:later", bad_setup(6), "setup_failed", "report",
              "torch==9.9"},
        Story{"SshIsRefusedForThePodsWholeLife",
              "ssh-refused:port",
              {{"SPAWNING_TIMEOUT_SEC", "20"}},
              "ssh_unreachable",
              "ssh",
              "refused"},
        Story{"TheDatabaseIsAway", "heartbeat-loss", {}, "preflight_network", "ssh", "Supabase"},
        Story{"BothEndDuringTheScript", "cut-off", bad_setup(1), "setup_failed", "container_log",
              "torch==9.9"},
        Story{"BothEndAndTheWorkerDiesAtItsStart", "cut-off", kBadStart, "start_failed", "container_log",
              "--turbo"}),
    [](const auto& story) { return story.param.name; });

}  // namespace
}  // namespace gpuwarden::test
