#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(DecisionVariables, AreThoseOfTheGroupsThatDecide) {
  const auto names = decision_variables();
  for (const auto* name :
       {"MIN_ACTIVE_GPUS", "MAX_ACTIVE_GPUS", "TASKS_PER_GPU_THRESHOLD", "MAX_HOURLY_COST_USD",
        "HEARTBEAT_TIMEOUT_SEC", "TASK_STUCK_EXEMPT", "MAX_WORKER_FAILURE_RATE", "FAILURE_WINDOW_MINUTES",
        "BREAKER_PROBE_INTERVAL_SEC", "ORCHESTRATOR_POLL_SEC"})
    EXPECT_THAT(names, Contains(name));
  for (const auto* name :
       {"POD_LEASE_SEC", "GPUWARDEN_OWNER", "RUNPOD_GPU_TYPE", "SUPABASE_URL", "LOG_LEVEL"})
    EXPECT_THAT(names, Not(Contains(name)));
}

TEST(DecisionVariables, OneIsSetAndTheOthersStay) {
  policy::Settings settings;
  settings.min_active = 3;
  settings.script_hash = "recorded";
  policy::Settings expected = settings;
  expected.max_active = 20;
  ASSERT_TRUE(set_decision_variable(settings, "MAX_ACTIVE_GPUS", "20"));
  EXPECT_EQ(settings, expected);
  expected.heartbeat_timeout = 90s;
  ASSERT_TRUE(set_decision_variable(settings, "HEARTBEAT_TIMEOUT_SEC", "90"));
  EXPECT_EQ(settings, expected);
}

TEST(DecisionVariables, WhatFollowsFromAValueFollows) {
  policy::Settings settings;
  ASSERT_TRUE(set_decision_variable(settings, "BREAKER_PROBE_INTERVAL_SEC", "7200"));
  EXPECT_GE(settings.breaker_probe_max, 7200s);
}

TEST(DecisionVariables, OthersAreRefusedWithTheNearestMatch) {
  policy::Settings settings;
  const auto refused = [&](const char* name, const char* value) {
    const auto done = set_decision_variable(settings, name, value);
    return done ? std::string("accepted") : done.error().message;
  };
  EXPECT_EQ(refused("MAX_ACTIVE_GPU", "3"), "MAX_ACTIVE_GPU is not known. Did you mean MAX_ACTIVE_GPUS?");
  EXPECT_EQ(refused("SOMETHING", "3"), "SOMETHING is not known");
  EXPECT_EQ(refused("LOG_LEVEL", "debug"), "LOG_LEVEL does not enter into decisions");
  EXPECT_THAT(refused("MAX_ACTIVE_GPUS", "many"), HasSubstr("MAX_ACTIVE_GPUS must be a whole number"));
  EXPECT_EQ(settings, policy::Settings());
}

TEST(Journal, ThatCannotBeWrittenIsAWarningWithPathAndReason) {
  testing::FakeSource fake;
  fake.set("GPUWARDEN_JOURNAL", "/var/log/gpuwarden/journal.jsonl");
  fake.source.may_append = [](const std::string&) -> Result<void> {
    return fail(ErrorKind::invalid_input, "Permission denied");
  };
  const Loaded loaded = fake.load();
  ASSERT_TRUE(loaded.config) << "a daemon without a journal is better than none";
  EXPECT_EQ(loaded.config->daemon.journal, "/var/log/gpuwarden/journal.jsonl");
  EXPECT_THAT(testing::about(loaded.warnings, "GPUWARDEN_JOURNAL"),
              HasSubstr("/var/log/gpuwarden/journal.jsonl cannot be opened: Permission denied"));
  fake.set("GPUWARDEN_JOURNAL", "journal.jsonl");
  EXPECT_THAT(testing::about(fake.load().errors, "GPUWARDEN_JOURNAL"), HasSubstr("must be an absolute path"));
}

}  // namespace
}  // namespace gpuwarden::config
