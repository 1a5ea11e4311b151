#include <gtest/gtest.h>

#include "gpuwarden/config/nearest.hpp"

#include "config/url.hpp"
#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using namespace std::chrono_literals;
using testing::about;
using testing::all_of;
using testing::FakeSource;

TEST(Times, AcceptOneSecondUpwardsAndFractions) {
  EXPECT_FALSE(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "0.999").load().config);
  EXPECT_FALSE(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "0").load().config);
  EXPECT_FALSE(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "-1").load().config);
  EXPECT_FALSE(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "1e3").load().config);
  EXPECT_FALSE(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "31536001").load().config);
  EXPECT_EQ(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "1").load().config->policy.idle_timeout, 1s);
  EXPECT_EQ(FakeSource().set("GPU_IDLE_TIMEOUT_SEC", "2.5").load().config->policy.idle_timeout, 2500ms);
  EXPECT_EQ(FakeSource().set("FAILURE_WINDOW_MINUTES", "0.5").load().config->policy.failure_window, 30s);
  EXPECT_FALSE(FakeSource().set("FAILURE_WINDOW_MINUTES", "0.01").load().config);
}

TEST(Times, OfRetentionAreWholeDaysUpToTenYears) {
  using std::chrono::days;
  const auto kept = [](const char* text) {
    const auto loaded = FakeSource().set("FAILURE_RETENTION_DAYS", text).load();
    return loaded.config ? loaded.config->control.failure_retention : Duration{0};
  };
  EXPECT_EQ(FakeSource().load().config->control.failure_retention, days(30));
  EXPECT_EQ(kept("1"), days(1));
  EXPECT_EQ(kept("3650"), days(3650));
  for (const char* wrong : {"0", "3651", "1.5", "-1", "30d"}) EXPECT_EQ(kept(wrong), Duration{0}) << wrong;
}

TEST(Times, AreWarnedAboutWhereLateListsGetLessThanAMinute) {
  FakeSource fake;
  EXPECT_NE(about(fake.set("RUNPOD_LIST_LAG_SEC", "59.9").load().warnings, "RUNPOD_LIST_LAG_SEC"), "");
  EXPECT_EQ(all_of(fake.set("RUNPOD_LIST_LAG_SEC", "60").load().warnings), "");
  EXPECT_EQ(fake.load().config->policy.list_lag, 60s);
}

TEST(StuckTypes, ArePatternsWithSecondsInTheirOrder) {
  const auto loaded =
      FakeSource().set("TASK_STUCK_TYPES", " video_*=3600 , quick_*=1.5,a=b=7,").load().config;
  ASSERT_TRUE(loaded);
  const std::vector<policy::StuckLimit> expected{{"video_*", 3600s}, {"quick_*", 1500ms}, {"a=b", 7s}};
  EXPECT_EQ(loaded->policy.stuck_types, expected);
  EXPECT_TRUE(FakeSource().load().config->policy.stuck_types.empty());
}

TEST(StuckTypes, SayEverythingThatIsWrongAtOnce) {
  const auto loaded =
      FakeSource().set("TASK_STUCK_TYPES", "ok=1,video_*,=5,quick_*=soon,x=0,y=0.999,z=31536001,ok=2").load();
  EXPECT_FALSE(loaded.config);
  EXPECT_EQ(
      about(loaded.errors, "TASK_STUCK_TYPES"),
      "must be pairs such as video_*=3600,quick_*=120: 'video_*' is not pattern=seconds; '=5' is not "
      "pattern=seconds; 'quick_*=soon' needs seconds, 1 or more, behind the =; 'x=0' needs seconds, 1 or "
      "more, behind the =; 'y=0.999' needs seconds, 1 or more, behind the =; 'z=31536001' needs seconds, "
      "1 or more, behind the =; 'ok=2' repeats a pattern");
}

TEST(StuckTypes, AreFoundByWhoeverMistypesTheName) {
  const auto loaded = FakeSource().set("TASK_STUCK_TYPE", "a=5").load();
  EXPECT_NE(all_of(loaded.warnings).find("TASK_STUCK_TYPES"), std::string::npos);
}

TEST(Times, OfDelaysAcceptZeroAndTheDrainTargetIsOptional) {
  EXPECT_EQ(FakeSource().set("SCALE_UP_DELAY_SEC", "0").load().config->policy.scale_up_delay, 0s);
  EXPECT_EQ(FakeSource().set("SCALE_DOWN_DELAY_SEC", "0").load().config->policy.scale_down_delay, 0s);
  EXPECT_EQ(FakeSource().set("SCALE_DOWN_DELAY_SEC", "0.5").load().config->policy.scale_down_delay, 500ms);
  EXPECT_FALSE(FakeSource().set("SCALE_DOWN_DELAY_SEC", "-1").load().config);
  EXPECT_FALSE(FakeSource().load().config->policy.queue_drain_target);
  EXPECT_EQ(FakeSource().set("TARGET_QUEUE_DRAIN_SEC", "1").load().config->policy.queue_drain_target, 1s);
  EXPECT_FALSE(FakeSource().set("TARGET_QUEUE_DRAIN_SEC", "0.9").load().config);
}

TEST(DrainTarget, IsWarnedAboutWhereTheCountsNameNoTypes) {
  FakeSource fake;
  fake.set("TARGET_QUEUE_DRAIN_SEC", "600");
  EXPECT_EQ(about(fake.load().warnings, "TARGET_QUEUE_DRAIN_SEC"), "");
  fake.set("TASK_COUNT_SOURCE", "edge");
  EXPECT_NE(about(fake.load().warnings, "TARGET_QUEUE_DRAIN_SEC"), "");
}

TEST(Clouds, AreOneOrAny) {
  const auto any = FakeSource().set("RUNPOD_CLOUD", "any").load();
  EXPECT_TRUE(any.config->policy.any_cloud);
  EXPECT_EQ(any.config->policy.cloud, Cloud::secure);
  EXPECT_EQ(FakeSource().set("RUNPOD_CLOUD", "community").load().config->policy.cloud, Cloud::community);
  EXPECT_FALSE(FakeSource().set("RUNPOD_CLOUD", "community").load().config->policy.any_cloud);
  EXPECT_FALSE(FakeSource().set("RUNPOD_CLOUD", "secure,any").load().config);
}

TEST(Times, AreWarnedAboutJustBelowThreeHeartbeats) {
  FakeSource fake;
  fake.set("HEARTBEAT_INTERVAL_SEC", "20").set("HEARTBEAT_TIMEOUT_SEC", "59.9");
  EXPECT_EQ(
      about(fake.load().warnings, "HEARTBEAT_TIMEOUT_SEC"),
      "is less than three HEARTBEAT_INTERVAL_SEC (20s): one lost heartbeat may cost a healthy worker. Use "
      "1m 0s or more.");
  EXPECT_TRUE(fake.load().config);
  EXPECT_EQ(all_of(fake.set("HEARTBEAT_TIMEOUT_SEC", "60").load().warnings), "");
}

TEST(Times, ThatContradictEachOtherAreWarnedAbout) {
  const auto warning = [](const std::string& name, const std::string& value) {
    const Loaded loaded = FakeSource().set(name, value).load();
    EXPECT_TRUE(loaded.config) << name;
    return !about(loaded.warnings, name).empty();
  };
  EXPECT_TRUE(warning("ORCHESTRATOR_POLL_SEC", "1.9"));
  EXPECT_FALSE(warning("ORCHESTRATOR_POLL_SEC", "2"));
  EXPECT_FALSE(warning("ORCHESTRATOR_POLL_SEC", "60"));
  EXPECT_TRUE(warning("ORCHESTRATOR_POLL_SEC", "60.1"));
  EXPECT_FALSE(warning("PROVISION_TIMEOUT_SEC", "1800"));
  EXPECT_TRUE(warning("PROVISION_TIMEOUT_SEC", "1801"));
  EXPECT_TRUE(warning("SPAWNING_TIMEOUT_SEC", "119"));
  EXPECT_TRUE(warning("POD_LEASE_SEC", "299"));
  EXPECT_FALSE(warning("POD_LEASE_SEC", "300"));
  EXPECT_FALSE(warning("GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC", "600"));
  EXPECT_TRUE(warning("GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC", "601"));
  EXPECT_FALSE(warning("SCALE_DOWN_DELAY_SEC", "600"));
  EXPECT_TRUE(warning("SCALE_DOWN_DELAY_SEC", "601"));
  EXPECT_FALSE(warning("SCALE_UP_DELAY_SEC", "300"));
  EXPECT_TRUE(warning("SCALE_UP_DELAY_SEC", "301"));
  EXPECT_TRUE(warning("FAILURE_WINDOW_MINUTES", "29.9"));
  EXPECT_TRUE(warning("MAX_ACTIVE_GPUS", "0"));
}

TEST(Money, IsMoreThanNothing) {
  EXPECT_FALSE(FakeSource().set("MAX_HOURLY_COST_USD", "0").load().config);
  EXPECT_EQ(FakeSource().set("MAX_HOURLY_COST_USD", "$2.50").load().config->policy.max_hourly_cost_usd, 2.5);
}

TEST(Urls, AreHttpsExceptToLoopback) {
  EXPECT_EQ(checked_url("https://Example.COM", {}).value(), "https://example.com");
  EXPECT_EQ(checked_url("https://example.com///", {}).value(), "https://example.com");
  EXPECT_EQ(checked_url("http://127.0.0.1:54321", {}).value(), "http://127.0.0.1:54321");
  EXPECT_EQ(checked_url("http://localhost:54321/", {}).value(), "http://localhost:54321");
  EXPECT_EQ(checked_url("http://[::1]:1", {}).value(), "http://[::1]:1");
  EXPECT_EQ(checked_url("https://api.example.com/v2/", {true, false}).value(), "https://api.example.com/v2");
  EXPECT_EQ(checked_url("http://example.com", {}).error().message,
            "must begin with https:// (http only to loopback)");
  EXPECT_EQ(checked_url("example.com", {}).error().message, "must begin with https://");
  EXPECT_EQ(checked_url("https://example.com/rest/v1", {}).error().message,
            "must not contain a path: use https://example.com instead");
  for (const char* bad : {"https://", "https://:443", "https://a b", "https://a:0", "https://a:65536",
                          "https://a:", "https://a?x=1", "https://a#x", "https://u@a", "ftp://a",
                          "https://[::1", "https://a\\b"})
    EXPECT_FALSE(checked_url(bad, {})) << bad;
}

TEST(UnknownNames, AreWarnedAboutWithTheNearestOne) {
  const Loaded loaded = FakeSource()
                            .set("RUNPOD_GPU_TYPES", "x")
                            .set("GPUWARDEN_ONEXIT", "drain")
                            .set("BREAKER_PROBE_INTERVALL_SEC", "9")
                            .set("WORKER_QQQQQ", "x")
                            .set("MAX_ACTIVE_GPU", "3")
                            .set("PATH", "/bin")
                            .set("HEARTBEAT", "x")
                            .load();
  EXPECT_TRUE(loaded.config);
  EXPECT_EQ(all_of(loaded.warnings),
            "BREAKER_PROBE_INTERVALL_SEC: is not known and has no effect. Did you mean "
            "BREAKER_PROBE_INTERVAL_SEC?\n"
            "GPUWARDEN_ONEXIT: is not known and has no effect. Did you mean GPUWARDEN_ON_EXIT?\n"
            "MAX_ACTIVE_GPU: is not known. Did you mean MAX_ACTIVE_GPUS?\n"
            "RUNPOD_GPU_TYPES: is not known and has no effect. Did you mean RUNPOD_GPU_TYPE?\n"
            "WORKER_QQQQQ: is not known and has no effect.\n");
}

TEST(UnknownNames, OfOtherProgramsAreNoneOfOurs) {
  const Loaded loaded = FakeSource()
                            .set("RUNPOD_POD_ID", "abc")
                            .set("RUNPOD_TCP_PORT_22", "40022")
                            .set("SUPABASE_ACCESS_TOKEN", "sbp_x")
                            .set("SUPABASE_DB_PASSWORD", "x")
                            .set("RUNPOD_API_KEY_FILE", "/k")
                            .file("/k", testing::kRunpodKey)
                            .load();
  EXPECT_EQ(all_of(loaded.warnings), "");
}

TEST(PassedOnVariables, AreResolvedFromEnvironmentFileAndCredential) {
  FakeSource fake;
  fake.source.credentials_directory = "/creds";
  const Loaded loaded = fake.set("WORKER_PASS_ENV", "MODEL_NAME, HF_TOKEN,WANDB_API_KEY")
                            .set("MODEL_NAME", "wan 2.1")
                            .set("HF_TOKEN_FILE", "/run/hf")
                            .file("/run/hf", "hf_x\n")
                            .file("/creds/wandb_api_key", "w")
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->bootstrap.pass_env,
            (std::map<std::string, std::string>{
                {"MODEL_NAME", "wan 2.1"}, {"HF_TOKEN", "hf_x"}, {"WANDB_API_KEY", "w"}}));
}

TEST(PassedOnVariables, ThatAreNotSetAreAnErrorEach) {
  const Loaded loaded = FakeSource().set("WORKER_PASS_ENV", "HF_TOKEN,OTHER").load();
  EXPECT_EQ(all_of(loaded.errors),
            "WORKER_PASS_ENV: names HF_TOKEN, which is not set. Set HF_TOKEN (or HF_TOKEN_FILE) or take it "
            "out of the "
            "list.\nWORKER_PASS_ENV: names OTHER, which is not set. Set OTHER (or OTHER_FILE) or take it out "
            "of the "
            "list.\n");
}

TEST(PassedOnVariables, AreWarnedAboutWhenTheyArePowerfulOrNeedless) {
  const Loaded loaded = FakeSource().set("WORKER_PASS_ENV", "SUPABASE_SECRET_KEY,SUPABASE_URL").load();
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.warnings.size(), 2U);
  EXPECT_EQ(loaded.config->bootstrap.pass_env.count("SUPABASE_URL"), 0U);
  EXPECT_EQ(loaded.config->bootstrap.pass_env.count("SUPABASE_SECRET_KEY"), 1U);
}

TEST(Nearest, CountsEditsAndSwapsOnce) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("status", "STATUS"), 0U);
  EXPECT_EQ(edit_distance("statsu", "status"), 1U);
  EXPECT_EQ(edit_distance("stats", "status"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, IsNoneWhenNothingIsLikeTheWord) {
  const std::vector<std::string> words{"status", "workers", "worker"};
  EXPECT_EQ(nearest("stauts", words), "status");
  EXPECT_EQ(nearest("wrker", words), "worker");
  EXPECT_EQ(nearest("deploy", words), std::nullopt);
}

}  // namespace
}  // namespace gpuwarden::config
