// `gpuwarden doctor --pod` against the sandbox: real create, real SSH, the real preflight.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;

Stack::Options scenario(const std::string& name) {
  Stack::Options options;
  options.scenario = name;
  options.sandbox_arguments = {"--fast"};
  return options;
}

TEST(DoctorOnAPod, SaysThatAWorkerWouldStartAndLeavesNoPodAndNoRow) {
  Stack stack(scenario("healthy"));
  const Finished said = stack.cli({"doctor", "--pod"}, 90s);
  EXPECT_EQ(said.exit_code, 0) << said.output;
  for (const auto* check :
       {"capacity", "pod", "ssh", "tools", "gpu", "disk", "network", "credentials", "deleted"})
    EXPECT_THAT(said.output, ContainsRegex(std::string("\nok +") + check + " ")) << said.output;
  EXPECT_THAT(said.output, HasSubstr("a made-up token is refused"));
  EXPECT_THAT(said.output, HasSubstr("A worker would start now"));
  EXPECT_EQ(stack.state().at("created"), 1);
  EXPECT_TRUE(stack.state().at("pods").empty());
  EXPECT_TRUE(stack.sql("select 1 from gpuwarden_workers").empty());
}

TEST(DoctorOnAPod, NamesWhatPreflightFindsAndDeletesThePod) {
  Stack stack(scenario("script-failure:preflight"));
  const Finished said = stack.cli({"doctor", "--pod", "--json"}, 90s);
  EXPECT_EQ(said.exit_code, 1) << said.output;
  const Json answer = Json::parse(said.output);
  bool named = false;
  for (const Json& check : answer["checks"])
    named = named || (check["check"] == "gpu" && check["state"] == "failed" && !check["remedy"].empty());
  EXPECT_TRUE(named) << answer.dump(1);
  EXPECT_TRUE(stack.state().at("pods").empty());
}

TEST(DoctorOnAPod, FindsADatabaseThatPodsCannotReach) {
  Stack stack(scenario("heartbeat-loss"));
  const Finished said = stack.cli({"doctor", "--pod"}, 120s);
  EXPECT_EQ(said.exit_code, 1) << said.output;
  EXPECT_THAT(said.output, ContainsRegex("failed +network +cannot reach Supabase"));
  EXPECT_TRUE(stack.state().at("pods").empty());
}

TEST(DoctorOnAPod, DeletesItsPodOnCtrlC) {
  Stack stack(scenario("slow-provisioning:60"));
  Process doctor({GPUWARDEN_PROGRAM, "doctor", "--pod"}, stack.environment(), stack.dir() + "/doctor.log");
  ASSERT_TRUE(eventually(20s, [&] { return stack.state().at("pods").size() == 1; }));
  doctor.signal(SIGINT);
  EXPECT_EQ(doctor.wait(30s), 1) << read_file(stack.dir() + "/doctor.log");
  EXPECT_TRUE(stack.state().at("pods").empty());
  EXPECT_THAT(read_file(stack.dir() + "/doctor.log"), HasSubstr("is gone"));
}

TEST(DoctorOnAPod, WorksBesideADaemonThatLeavesItsPodAlone) {
  Stack stack(scenario("healthy"));
  stack.start_daemon();
  ASSERT_TRUE(eventually(20s, [&] { return stack.status().is_object(); })) << stack.daemon_log();
  const Finished said = stack.cli({"doctor", "--pod"}, 90s);
  EXPECT_EQ(said.exit_code, 0) << said.output << stack.daemon_log();
  EXPECT_TRUE(stack.state().at("pods").empty());
  EXPECT_TRUE(stack.log_events("delete_orphan").empty()) << stack.daemon_log();
}

TEST(DoctorOnAPod, ThatWasKilledIsClearedUpByTheNext) {
  Stack stack(scenario("slow-provisioning:60"));
  {
    Process doctor({GPUWARDEN_PROGRAM, "doctor", "--pod"}, stack.environment(), stack.dir() + "/doctor.log");
    ASSERT_TRUE(eventually(20s, [&] { return stack.state().at("pods").size() == 1; }));
    doctor.signal(SIGKILL);
    doctor.wait(5s);
  }
  stack.scenario("healthy");
  const Finished said = stack.cli({"doctor", "--pod"}, 90s);
  EXPECT_EQ(said.exit_code, 0) << said.output;
  EXPECT_THAT(said.output, ContainsRegex("ok +left-overs +deleted"));
  EXPECT_TRUE(stack.state().at("pods").empty());
}

}  // namespace
}  // namespace gpuwarden::test
