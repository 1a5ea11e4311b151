#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/variable.hpp"
#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using ::testing::ElementsAre;
using testing::FakeSource;
using ::testing::IsEmpty;

/// "NAME: text", with "(restart)" where it takes one.
std::vector<std::string> told(const Loaded& in_force, const Loaded& after) {
  std::vector<std::string> lines;
  for (const Change& change : differences(in_force, after))
    lines.push_back(change.name + ": " + change.text + (change.restart ? " (restart)" : ""));
  return lines;
}

FakeSource keyed(const testing::MadeKey& key) {
  return FakeSource().set("RUNPOD_SSH_PRIVATE_KEY_PATH", "/key").file("/key", key.text);
}

TEST(Reload, NamesWhatDiffersAndWhatNeedsARestart) {
  const Loaded before = FakeSource().set("MAX_ACTIVE_GPUS", "3").load();
  EXPECT_THAT(told(before, before), IsEmpty());
  const Loaded after =
      FakeSource().set("RUNPOD_API_KEY", "rpa_PLANTEDother").set("GPUWARDEN_OWNER", "other").load();
  EXPECT_THAT(told(before, after),
              ElementsAre("RUNPOD_API_KEY: [changed] (restart)", "MAX_ACTIVE_GPUS: 3 -> 10",
                          "GPUWARDEN_OWNER: default -> other (restart)"));
  const Loaded back = FakeSource().set("MAX_DAILY_COST_USD", "60").load();
  EXPECT_THAT(told(back, FakeSource().load()), ElementsAre("MAX_DAILY_COST_USD: 60 -> (not set)"));
}

TEST(Reload, NamesWhatIsPassedOnToWorkersWithoutItsValue) {
  const auto with = [](const std::string& value) {
    return FakeSource().set("WORKER_PASS_ENV", "MY_TOKEN").set("MY_TOKEN", value).load();
  };
  EXPECT_THAT(told(with("PLANTED1"), with("PLANTED2")), ElementsAre("MY_TOKEN: [changed]"));
}

TEST(Reload, NoticesAnotherSshKeyUnderTheSamePath) {
  const Loaded before = keyed(testing::ed25519()).load();
  const Loaded after = keyed(testing::made_key("ssh-keygen -q -t ed25519 -N '' -C other -f key")).load();
  ASSERT_TRUE(before.config && after.config);
  EXPECT_THAT(told(before, after), ElementsAre("SSH key: [changed] (restart)"));
  const Loaded kept = keep_until_restart(before, after);
  EXPECT_EQ(kept.config->ssh.public_key, before.config->ssh.public_key)
      << "new pods must accept the key that the daemon uses";
}

TEST(Reload, KeepsPairedSettingsWholeAndAppliesTheOthers) {
  const Loaded running = FakeSource().set("MAX_ACTIVE_GPUS", "3").load();
  const Loaded after = FakeSource()
                           .set("SUPABASE_URL", "https://zyxwvutsrqpo.supabase.co")
                           .set("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_PLANTEDother")
                           .set("RUNPOD_API_URL", "https://other.example.com/v2")
                           .set("GPUWARDEN_OWNER", "other")
                           .set("LOG_LEVEL", "debug")
                           .set("GPUWARDEN_ON_EXIT", "drain")
                           .set("ORCHESTRATOR_POLL_SEC", "7")
                           .set("WORKER_START_CMD", "./other.sh")
                           .set("WORKER_PASS_ENV", "MY_TOKEN")
                           .set("MY_TOKEN", "PLANTEDtoken")
                           .load();
  ASSERT_TRUE(running.config && after.config) << testing::all_of(after.errors);
  const Config now = *keep_until_restart(running, after).config;
  EXPECT_EQ(now.supabase.url, running.config->supabase.url);
  EXPECT_EQ(now.bootstrap.supabase_url, running.config->supabase.url) << "pods report to where rows are";
  EXPECT_TRUE(now.supabase.publishable_key == running.config->supabase.publishable_key);
  EXPECT_EQ(now.runpod.api_url, running.config->runpod.api_url);
  EXPECT_EQ(now.policy.owner, "default");
  EXPECT_EQ(now.control.owner, "default");
  EXPECT_EQ(now.policy.max_active, 10);
  EXPECT_EQ(now.daemon.log_level, "debug");
  EXPECT_TRUE(now.daemon.drain_on_exit);
  EXPECT_EQ(now.control.poll, std::chrono::seconds(7));
  EXPECT_EQ(now.bootstrap.start_cmd, "./other.sh");
  EXPECT_EQ(now.bootstrap.pass_env.at("MY_TOKEN"), "PLANTEDtoken");
}

TEST(Reload, WhatWaitsForARestartIsToldAgainAndForgottenWhenItIsTakenBack) {
  const Loaded running = FakeSource().load();
  const Loaded after = FakeSource().set("GPUWARDEN_OWNER", "other").set("MAX_ACTIVE_GPUS", "3").load();
  const Loaded kept = keep_until_restart(running, after);
  EXPECT_THAT(told(kept, after), ElementsAre("GPUWARDEN_OWNER: default -> other (restart)"));
  EXPECT_THAT(told(kept, FakeSource().set("MAX_ACTIVE_GPUS", "3").load()), IsEmpty());
}

TEST(Reload, WithoutARestartNothingChangesForAnyVariableThatNeedsOne) {
  const Loaded running = FakeSource().load();
  Loaded after = running;
  int flagged = 0;
  for (const Variable& variable : table()) {
    if (!variable.restart) continue;
    ++flagged;
    after.values.insert_or_assign(variable.name, Secret("another value"));
  }
  EXPECT_GE(flagged, 15);
  EXPECT_EQ(keep_until_restart(running, after).values, running.values);
}

}  // namespace
}  // namespace gpuwarden::config
