#include <gtest/gtest.h>

#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using namespace std::chrono_literals;
using testing::about;
using testing::all_of;
using testing::entry;
using testing::FakeSource;

TEST(Configuration, IsValidWithNothingButWhatIsRequired) {
  const Loaded loaded = FakeSource().load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(all_of(loaded.warnings), "");
  EXPECT_EQ(loaded.config->supabase.url, "https://abcdefghijkl.supabase.co");
  EXPECT_EQ(loaded.config->supabase.secret_key.reveal(), testing::kSecretKey);
  EXPECT_EQ(loaded.config->runpod.api_url, "https://api.runpod.io/v2");
  EXPECT_EQ(loaded.config->policy.gpu_types, std::vector<std::string>{"NVIDIA GeForce RTX 4090"});
  EXPECT_EQ(loaded.config->bootstrap.supabase_url, loaded.config->supabase.url);
}

TEST(Configuration, ReportsEverythingThatIsMissingAtOnce) {
  FakeSource fake;
  fake.source.environment.clear();
  const Loaded loaded = fake.load();
  EXPECT_FALSE(loaded.config);
  std::vector<std::string> names;
  for (const Problem& problem : loaded.errors) names.push_back(problem.name);
  EXPECT_EQ(names, (std::vector<std::string>{"SUPABASE_URL", "SUPABASE_SECRET_KEY",
                                             "SUPABASE_PUBLISHABLE_KEY", "RUNPOD_API_KEY", "RUNPOD_GPU_TYPE",
                                             "RUNPOD_WORKER_IMAGE", "WORKER_REPO_URL", "WORKER_START_CMD"}));
  EXPECT_EQ(
      about(loaded.errors, "SUPABASE_SECRET_KEY"),
      "is required and not set. The daemon's own key: sb_secret_... or the legacy service_role JWT. Never "
      "leaves the daemon. Example: SUPABASE_SECRET_KEY=sb_secret_... (or SUPABASE_SECRET_KEY_FILE=/path, or "
      "a systemd credential supabase_secret_key)");
}

TEST(Configuration, SaysWhatIsWrongWithEachValueAtOnce) {
  const Loaded loaded = FakeSource()
                            .set("MAX_ACTIVE_GPUS", "many")
                            .set("ORCHESTRATOR_POLL_SEC", "5s")
                            .set("TASK_COUNT_SOURCE", "guess")
                            .set("ENABLE_DB_LOGGING", "perhaps")
                            .set("RUNPOD_CLOUD", "ALL")
                            .set("RUNPOD_MIN_CUDA", "12")
                            .set("GPUWARDEN_OWNER", "Our Team")
                            .set("LOG_FORMAT", "xml")
                            .set("WORKER_DIR", "worker")
                            .load();
  EXPECT_EQ(loaded.errors.size(), 9U) << all_of(loaded.errors);
  EXPECT_EQ(about(loaded.errors, "MAX_ACTIVE_GPUS"), "must be a whole number from 0 to 10000, not 'many'");
  EXPECT_EQ(about(loaded.errors, "ORCHESTRATOR_POLL_SEC"), "must be seconds, 1 or more, not '5s'");
  EXPECT_EQ(about(loaded.errors, "TASK_COUNT_SOURCE"), "must be sql or edge, not 'guess'");
  EXPECT_EQ(about(loaded.errors, "ENABLE_DB_LOGGING"), "must be true or false, not 'perhaps'");
  EXPECT_EQ(about(loaded.errors, "RUNPOD_CLOUD"), "must be SECURE, COMMUNITY or ANY, not 'ALL'");
  EXPECT_EQ(about(loaded.errors, "RUNPOD_MIN_CUDA"), "must be a version such as 12.4, not '12'");
  EXPECT_EQ(about(loaded.errors, "LOG_FORMAT"), "must be one of plain, json, not 'xml'");
  EXPECT_EQ(about(loaded.errors, "WORKER_DIR"), "must be an absolute path, not 'worker'");
}

TEST(Configuration, TrimsValuesAndTakesEmptyOnesAsNotSet) {
  const Loaded loaded = FakeSource()
                            .set("SUPABASE_URL", "  https://ABCDEFGHIJKL.supabase.co/ \n")
                            .set("MAX_ACTIVE_GPUS", "   ")
                            .set("RUNPOD_DATA_CENTERS", " EU-RO-1 ,, US-TX-3 ,")
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->supabase.url, "https://abcdefghijkl.supabase.co");
  EXPECT_EQ(loaded.config->policy.max_active, 10);
  EXPECT_EQ(loaded.config->policy.data_centers, (std::vector<std::string>{"EU-RO-1", "US-TX-3"}));
}

TEST(Configuration, GivesSharedSettingsToEveryRoomThatNeedsThem) {
  const Loaded loaded = FakeSource()
                            .set("GPUWARDEN_OWNER", "team-a")
                            .set("ORCHESTRATOR_POLL_SEC", "7")
                            .set("HEARTBEAT_INTERVAL_SEC", "11")
                            .set("RUNPOD_STORAGE_NAME", "models")
                            .set("RUNPOD_VOLUME_MOUNT_PATH", "/data/")
                            .set("RUNPOD_MIN_MEMORY_GB", "32")
                            .set("RUNPOD_MIN_CUDA", "12.4")
                            .set("SPAWNING_TIMEOUT_SEC", "200")
                            .set("BREAKER_PROBE_INTERVAL_SEC", "4000")
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->policy.owner, "team-a");
  EXPECT_EQ(loaded.config->control.owner, "team-a");
  EXPECT_EQ(loaded.config->policy.poll, 7s);
  EXPECT_EQ(loaded.config->control.poll, 7s);
  EXPECT_EQ(loaded.config->policy.heartbeat_interval, 11s);
  EXPECT_EQ(loaded.config->bootstrap.heartbeat_interval, 11s);
  EXPECT_TRUE(loaded.config->bootstrap.has_volume);
  EXPECT_EQ(loaded.config->control.mount_path, "/data");
  EXPECT_EQ(loaded.config->bootstrap.mount_path, "/data");
  EXPECT_EQ(loaded.config->bootstrap.min_memory_gb, 32);
  EXPECT_EQ(loaded.config->bootstrap.min_cuda, "12.4");
  EXPECT_EQ(loaded.config->bootstrap.bootstrap_timeout, 200s);
  EXPECT_EQ(loaded.config->bootstrap.connect_timeout, 100s);
  EXPECT_EQ(loaded.config->policy.breaker_probe_max, 4000s);
}

TEST(Configuration, GivesUpOnSshBeforeThePodOrTheWorkerItselfCountsAsLate) {
  const Loaded loaded = FakeSource().set("PROVISION_TIMEOUT_SEC", "45").load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->bootstrap.connect_timeout, 22500ms);
  EXPECT_EQ(FakeSource().load().config->bootstrap.connect_timeout, 300s);
  EXPECT_EQ(FakeSource().set("SPAWNING_TIMEOUT_SEC", "20").load().config->bootstrap.connect_timeout, 10s);
  EXPECT_EQ(FakeSource().set("PROVISION_TIMEOUT_SEC", "5").load().config->bootstrap.connect_timeout, 10s);
}

TEST(Configuration, ExplainsEveryVariableWithValueAndOrigin) {
  const Loaded loaded = FakeSource().set("MAX_ACTIVE_GPUS", "3").load();
  EXPECT_EQ(entry(loaded, "MAX_ACTIVE_GPUS").value, "3");
  EXPECT_EQ(entry(loaded, "MAX_ACTIVE_GPUS").origin, "environment");
  EXPECT_EQ(entry(loaded, "MAX_ACTIVE_GPUS").default_value, "10");
  EXPECT_TRUE(entry(loaded, "MAX_ACTIVE_GPUS").given);
  EXPECT_EQ(entry(loaded, "MIN_ACTIVE_GPUS").value, "0");
  EXPECT_EQ(entry(loaded, "MIN_ACTIVE_GPUS").origin, "default");
  EXPECT_EQ(entry(loaded, "MAX_DAILY_COST_USD").value, "");
  EXPECT_EQ(entry(loaded, "MAX_DAILY_COST_USD").origin, "not set");
  EXPECT_EQ(entry(loaded, "MAX_DAILY_COST_USD").default_value, "(no limit)");
  EXPECT_EQ(entry(loaded, "RUNPOD_API_KEY").value, "[set]");
  EXPECT_EQ(entry(loaded, "WORKER_REPO_URL").value, "https://github.com/example/worker.git");
}

TEST(Configuration, NeedsAnImageOrATemplate) {
  EXPECT_FALSE(FakeSource().unset("RUNPOD_WORKER_IMAGE").load().config);
  EXPECT_TRUE(FakeSource().unset("RUNPOD_WORKER_IMAGE").set("RUNPOD_TEMPLATE_ID", "abc").load().config);
}

TEST(Configuration, NeedsNoWorkerCommandsWhenTheImageStartsTheWorker) {
  FakeSource fake;
  fake.unset("WORKER_REPO_URL").unset("WORKER_START_CMD");
  EXPECT_EQ(fake.load().errors.size(), 2U);
  fake.set("AUTO_START_WORKER_PROCESS", "false");
  EXPECT_TRUE(fake.load().config);
  EXPECT_EQ(all_of(fake.load().warnings), "");
}

TEST(Configuration, WarnsWhenNothingStartsWhatIsFetched) {
  FakeSource fake;
  fake.set("AUTO_START_WORKER_PROCESS", "false");
  const Loaded both = fake.load();
  EXPECT_TRUE(both.config) << all_of(both.errors);
  EXPECT_EQ(
      all_of(both.warnings),
      "WORKER_START_CMD: is never run, because AUTO_START_WORKER_PROCESS is false. Remove one of the two.\n");
  EXPECT_NE(about(fake.unset("WORKER_START_CMD").load().warnings, "AUTO_START_WORKER_PROCESS"), "");
}

TEST(Configuration, HasEitherANetworkVolumeOrAPersistentDisk) {
  FakeSource fake;
  fake.set("RUNPOD_STORAGE_NAME", "models").set("RUNPOD_DISK_SIZE_GB", "20");
  EXPECT_EQ(about(fake.load().errors, "RUNPOD_DISK_SIZE_GB"),
            "a pod has either a persistent disk or a network volume. Remove this or RUNPOD_STORAGE_NAME.");
  EXPECT_TRUE(fake.set("RUNPOD_DISK_SIZE_GB", "0").load().config);
}

TEST(Configuration, KnowsTheSmallestPersistentDisk) {
  EXPECT_FALSE(FakeSource().set("RUNPOD_DISK_SIZE_GB", "9").load().config);
  EXPECT_TRUE(FakeSource().set("RUNPOD_DISK_SIZE_GB", "10").load().config);
}

TEST(Configuration, RefusesAFloorAboveTheCeiling) {
  FakeSource fake;
  fake.set("MAX_ACTIVE_GPUS", "3");
  EXPECT_TRUE(fake.set("MIN_ACTIVE_GPUS", "3").load().config);
  EXPECT_EQ(about(fake.set("MIN_ACTIVE_GPUS", "4").load().errors, "MIN_ACTIVE_GPUS"),
            "is 4, more than MAX_ACTIVE_GPUS (3). Lower it or raise the other.");
}

TEST(Configuration, ComparesOnlyValuesThatCouldBeRead) {
  const Loaded loaded = FakeSource().set("MIN_ACTIVE_GPUS", "20").set("MAX_ACTIVE_GPUS", "x").load();
  EXPECT_EQ(loaded.errors.size(), 1U) << all_of(loaded.errors);
}

TEST(Configuration, SwitchesTheListenerOff) {
  const Loaded loaded = FakeSource().set("GPUWARDEN_LISTEN", "off").load();
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->daemon.listen_port, 0);
}

TEST(Configuration, TakesAnIpv6ListenAddressAndWarnsOfAnOpenOne) {
  const Loaded six = FakeSource().set("GPUWARDEN_LISTEN", "[::1]:9000").load();
  ASSERT_TRUE(six.config);
  EXPECT_EQ(six.config->daemon.listen_host, "::1");
  EXPECT_EQ(six.config->daemon.listen_port, 9000);
  EXPECT_EQ(all_of(six.warnings), "");
  const Loaded open = FakeSource().set("GPUWARDEN_LISTEN", "0.0.0.0:9464").load();
  ASSERT_TRUE(open.config);
  EXPECT_NE(about(open.warnings, "GPUWARDEN_LISTEN"), "");
  for (const char* bad : {"9464", "127.0.0.1:", "127.0.0.1:65536", ":9464", "127.0.0.1:http", "myhost:9464",
                          "*:9464", "1.2.3:9464", "[::1:9464", "[]:9464"})
    EXPECT_FALSE(FakeSource().set("GPUWARDEN_LISTEN", bad).load().config) << bad;
  EXPECT_EQ(
      about(FakeSource().set("GPUWARDEN_LISTEN", "*:9464").load().errors, "GPUWARDEN_LISTEN"),
      "must be IP:port, localhost:port or off, not '*:9464'. All addresses of this machine are 0.0.0.0");
  EXPECT_EQ(FakeSource().set("GPUWARDEN_LISTEN", "LOCALHOST:9464").load().config->daemon.listen_host,
            "localhost");
}

TEST(Configuration, RefusesASocketPathThatTheSystemCannotBind) {
  EXPECT_TRUE(FakeSource().set("GPUWARDEN_SOCKET", "/" + std::string(106, 's')).load().config);
  EXPECT_FALSE(FakeSource().set("GPUWARDEN_SOCKET", "/" + std::string(107, 's')).load().config);
}

TEST(Configuration, LimitsTheOwnersNameToWhatAPodNameHolds) {
  EXPECT_TRUE(FakeSource().set("GPUWARDEN_OWNER", std::string(30, 'a')).load().config);
  EXPECT_FALSE(FakeSource().set("GPUWARDEN_OWNER", std::string(31, 'a')).load().config);
  for (const char* bad : {"-a", "a-", "a_b", "A"})
    EXPECT_FALSE(FakeSource().set("GPUWARDEN_OWNER", bad).load().config) << bad;
}

TEST(Configuration, UnderstandsTheWordsOfOldLogLevels) {
  EXPECT_EQ(FakeSource().set("LOG_LEVEL", "INFO").load().config->daemon.log_level, "info");
  EXPECT_EQ(FakeSource().set("LOG_LEVEL", "WARN").load().config->daemon.log_level, "warning");
}

TEST(Configuration, DrainsOnExitOnlyWhenAsked) {
  EXPECT_FALSE(FakeSource().set("GPUWARDEN_ON_EXIT", "leave").load().config->daemon.drain_on_exit);
  EXPECT_TRUE(FakeSource().set("GPUWARDEN_ON_EXIT", "DRAIN").load().config->daemon.drain_on_exit);
}

TEST(Configuration, RefusesTheRetiredApisOfRunpod) {
  for (const char* old : {"https://rest.runpod.io/v1", "https://api.runpod.io/graphql"})
    EXPECT_NE(about(FakeSource().set("RUNPOD_API_URL", old).load().errors, "RUNPOD_API_URL"), "") << old;
}

TEST(Configuration, WarnsOfQuotesThatDockerLeavesInValues) {
  const Loaded loaded = FakeSource().set("RUNPOD_GPU_TYPE", "\"NVIDIA L4\"").load();
  EXPECT_EQ(about(loaded.warnings, "RUNPOD_GPU_TYPE"),
            "is in quotes, and they count as part of it. Remove them.");
  EXPECT_EQ(all_of(FakeSource().set("WORKER_START_CMD", "\"my prog\" \"x\"").load().warnings), "");
}

}  // namespace
}  // namespace gpuwarden::config
