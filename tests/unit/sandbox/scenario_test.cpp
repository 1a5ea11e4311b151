#include "gpuwarden/sandbox/scenario.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox/environment_file.hpp"

namespace gpuwarden::sandbox {
namespace {

TEST(Scenario, EveryNameIsUnderstoodAndWrittenTheSameWay) {
  EXPECT_EQ(scenario_names().size(), 13u);
  for (const auto& name : scenario_names()) {
    const auto scenario = parse_scenario(name);
    ASSERT_TRUE(scenario) << name;
    EXPECT_EQ(to_string(*scenario), name);
  }
}

TEST(Scenario, AParameterFollowsAColon) {
  for (const auto* text :
       {"supabase-outage:unwritable", "list-lag:30", "ssh-refused:auth", "no-capacity:EU-RO-1",
        "create-500-but-created:drop", "script-failure:fetch", "worker-crash:later", "rate-limit:2"}) {
    const auto scenario = parse_scenario(text);
    ASSERT_TRUE(scenario) << text;
    EXPECT_EQ(to_string(*scenario), text);
  }
}

TEST(Scenario, ParametersHaveDefaults) {
  EXPECT_EQ(parse_scenario("supabase-outage")->param, "down");
  EXPECT_EQ(param_number(*parse_scenario("list-lag")), 10);
}

TEST(Scenario, WhatIsNotKnownIsRefusedWithTheNamesThatAre) {
  const auto scenario = parse_scenario("earthquake");
  ASSERT_FALSE(scenario);
  EXPECT_THAT(scenario.error().message, testing::HasSubstr("worker-crash"));
  for (const auto* text : {"healthy:very", "list-lag:long", "ssh-refused:sometimes", "", "list-lag:-1"})
    EXPECT_FALSE(parse_scenario(text)) << text;
}

TEST(Scenario, AMisspeltNameGetsTheOneThatWasMeant) {
  EXPECT_THAT(parse_scenario("worker-crsh").error().message,
              testing::HasSubstr("did you mean 'worker-crash'?"));
  EXPECT_THAT(parse_scenario("earthquake").error().message, testing::Not(testing::HasSubstr("did you mean")));
}

TEST(Scenario, TheHelpNamesEachWithItsParameterAndWhatItDoes) {
  const auto help = scenario_help();
  for (const auto& name : scenario_names()) EXPECT_THAT(help, testing::HasSubstr("  " + name));
  EXPECT_THAT(help, testing::HasSubstr("ssh-refused[:port|:auth|:hostkey|:later]\n      new pods"));
  EXPECT_THAT(help, testing::HasSubstr("list-lag[:10]\n"));
}

TEST(Scenario, SlowProvisioningIsSlowAndStillSucceedsWithTheSandboxsOwnConfiguration) {
  const auto slow = param_number(*parse_scenario("slow-provisioning"));
  const auto environment = make_environment({}, {}, "/tmp/x", false);
  EXPECT_GE(slow, 10);
  EXPECT_LE(slow * 2, std::stol(environment.at("PROVISION_TIMEOUT_SEC")));
  EXPECT_LE(slow * 2, std::stol(environment.at("SPAWNING_TIMEOUT_SEC")));
}

}  // namespace
}  // namespace gpuwarden::sandbox
