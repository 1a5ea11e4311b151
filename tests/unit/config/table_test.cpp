#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "config/types.hpp"
#include "config/variable.hpp"
#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using testing::FakeSource;

TEST(ConfigurationTable, IsTheExampleFileByteForByte) {
  std::ifstream file(GPUWARDEN_SOURCE_DIR "/config/gpuwarden.env.example");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), example_file())
      << "write it anew: gpuwarden config --example > config/gpuwarden.env.example";
}

TEST(ConfigurationTable, HoldsEveryDocumentedName) {
  const std::set<std::string> documented{"SUPABASE_URL",
                                         "SUPABASE_SECRET_KEY",
                                         "SUPABASE_PUBLISHABLE_KEY",
                                         "TASK_COUNT_SOURCE",
                                         "ENABLE_DB_LOGGING",
                                         "RUNPOD_API_KEY",
                                         "RUNPOD_API_URL",
                                         "RUNPOD_GPU_TYPE",
                                         "RUNPOD_CLOUD",
                                         "RUNPOD_DATA_CENTERS",
                                         "RUNPOD_STORAGE_NAME",
                                         "RUNPOD_VOLUME_MOUNT_PATH",
                                         "RUNPOD_WORKER_IMAGE",
                                         "RUNPOD_TEMPLATE_ID",
                                         "RUNPOD_REGISTRY_ID",
                                         "RUNPOD_CONTAINER_DISK_GB",
                                         "RUNPOD_DISK_SIZE_GB",
                                         "RUNPOD_MIN_VCPU_COUNT",
                                         "RUNPOD_MIN_MEMORY_GB",
                                         "RUNPOD_MIN_CUDA",
                                         "RUNPOD_SSH_PRIVATE_KEY",
                                         "RUNPOD_SSH_PRIVATE_KEY_PATH",
                                         "RUNPOD_SSH_PUBLIC_KEY",
                                         "RUNPOD_SSH_PUBLIC_KEY_PATH",
                                         "MIN_ACTIVE_GPUS",
                                         "MAX_ACTIVE_GPUS",
                                         "TASKS_PER_GPU_THRESHOLD",
                                         "MACHINES_TO_KEEP_IDLE",
                                         "SCALE_UP_MULTIPLIER",
                                         "SCALE_DOWN_MULTIPLIER",
                                         "TARGET_QUEUE_DRAIN_SEC",
                                         "SCALE_UP_DELAY_SEC",
                                         "SCALE_DOWN_DELAY_SEC",
                                         "SCALE_DOWN_GRACE_PERIOD_SEC",
                                         "SPAWNING_GRACE_PERIOD_SEC",
                                         "MAX_SPAWNS_PER_MINUTE",
                                         "MAX_HOURLY_COST_USD",
                                         "MAX_DAILY_COST_USD",
                                         "ORCHESTRATOR_POLL_SEC",
                                         "PROVISION_TIMEOUT_SEC",
                                         "SPAWNING_TIMEOUT_SEC",
                                         "HEARTBEAT_INTERVAL_SEC",
                                         "HEARTBEAT_TIMEOUT_SEC",
                                         "GPU_IDLE_TIMEOUT_SEC",
                                         "GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC",
                                         "TASK_STUCK_TIMEOUT_SEC",
                                         "RUNPOD_LIST_LAG_SEC",
                                         "GRACEFUL_SHUTDOWN_TIMEOUT_SEC",
                                         "POD_LEASE_SEC",
                                         "TASK_MAX_ATTEMPTS",
                                         "TASK_STUCK_EXEMPT",
                                         "TASK_STUCK_TYPES",
                                         "FAILURE_RETENTION_DAYS",
                                         "MAX_WORKER_FAILURE_RATE",
                                         "FAILURE_WINDOW_MINUTES",
                                         "MIN_WORKERS_FOR_RATE_CHECK",
                                         "BREAKER_PROBE_INTERVAL_SEC",
                                         "WORKER_REPO_URL",
                                         "WORKER_REPO_REF",
                                         "WORKER_DIR",
                                         "WORKER_SETUP_CMD",
                                         "WORKER_START_CMD",
                                         "WORKER_PASS_ENV",
                                         "WORKER_HEARTBEAT",
                                         "WORKER_MAX_RESTARTS",
                                         "AUTO_START_WORKER_PROCESS",
                                         "LOG_LEVEL",
                                         "LOG_FORMAT",
                                         "LOG_FILE",
                                         "GPUWARDEN_JOURNAL",
                                         "GPUWARDEN_LISTEN",
                                         "GPUWARDEN_SOCKET",
                                         "GPUWARDEN_OWNER",
                                         "GPUWARDEN_STATE_DIR",
                                         "GPUWARDEN_ON_EXIT",
                                         "ALERT_WEBHOOK_URL"};
  std::set<std::string> names;
  for (const Variable& variable : table())
    EXPECT_TRUE(names.insert(variable.name).second) << variable.name << " is there twice";
  EXPECT_EQ(names, documented);
}

TEST(ConfigurationTable, AcceptsItsOwnDefaultsAndSaysWhatEachVariableMeans) {
  for (const Variable& variable : table()) {
    SCOPED_TRACE(variable.name);
    Draft draft;
    if (!variable.default_value.empty()) EXPECT_EQ(variable.type.store(variable.default_value, draft), "");
    EXPECT_TRUE(variable.meaning.ends_with('.'));
    EXPECT_FALSE(variable.type.words.empty());
    EXPECT_NE(variable.default_value.empty(), variable.example.empty());
    EXPECT_EQ(variable.default_value.empty() && !variable.required, !variable.unset_means.empty());
  }
}

TEST(ConfigurationTable, AcceptsTheExamplesThatItShows) {
  for (const Variable& variable : table()) {
    SCOPED_TRACE(variable.name);
    Draft draft;
    if (!variable.example.empty()) EXPECT_EQ(variable.type.store(variable.example, draft), "");
  }
}

/// The defaults that the rooms' settings have on their own must be those that operators read in the table.
TEST(ConfigurationTable, HasTheDefaultsOfTheRoomsSettings) {
  const Loaded loaded = FakeSource().load();
  ASSERT_TRUE(loaded.config) << testing::all_of(loaded.errors);
  const policy::Settings policy;
  const policy::Settings& got = loaded.config->policy;
  EXPECT_EQ(got.owner, policy.owner);
  EXPECT_EQ(got.min_active, policy.min_active);
  EXPECT_EQ(got.max_active, policy.max_active);
  EXPECT_EQ(got.tasks_per_gpu, policy.tasks_per_gpu);
  EXPECT_EQ(got.keep_idle, policy.keep_idle);
  EXPECT_EQ(got.scale_up_multiplier, policy.scale_up_multiplier);
  EXPECT_EQ(got.scale_down_multiplier, policy.scale_down_multiplier);
  EXPECT_EQ(got.queue_drain_target, policy.queue_drain_target);
  EXPECT_EQ(got.scale_up_delay, policy.scale_up_delay);
  EXPECT_EQ(got.scale_down_delay, policy.scale_down_delay);
  EXPECT_EQ(got.scale_down_grace, policy.scale_down_grace);
  EXPECT_EQ(got.spawning_grace, policy.spawning_grace);
  EXPECT_EQ(got.max_spawns_per_minute, policy.max_spawns_per_minute);
  EXPECT_EQ(got.max_hourly_cost_usd, policy.max_hourly_cost_usd);
  EXPECT_EQ(got.max_daily_cost_usd, policy.max_daily_cost_usd);
  EXPECT_EQ(got.poll, policy.poll);
  EXPECT_EQ(got.provision_timeout, policy.provision_timeout);
  EXPECT_EQ(got.spawning_timeout, policy.spawning_timeout);
  EXPECT_EQ(got.heartbeat_interval, policy.heartbeat_interval);
  EXPECT_EQ(got.heartbeat_timeout, policy.heartbeat_timeout);
  EXPECT_EQ(got.idle_timeout, policy.idle_timeout);
  EXPECT_EQ(got.overcapacity_idle_timeout, policy.overcapacity_idle_timeout);
  EXPECT_EQ(got.task_stuck_timeout, policy.task_stuck_timeout);
  EXPECT_EQ(got.shutdown_timeout, policy.shutdown_timeout);
  EXPECT_EQ(got.task_max_attempts, policy.task_max_attempts);
  EXPECT_EQ(got.stuck_exempt, policy.stuck_exempt);
  EXPECT_EQ(got.max_failure_rate, policy.max_failure_rate);
  EXPECT_EQ(got.failure_window, policy.failure_window);
  EXPECT_EQ(got.min_workers_for_rate, policy.min_workers_for_rate);
  EXPECT_EQ(got.breaker_probe_interval, policy.breaker_probe_interval);
  EXPECT_EQ(got.breaker_probe_max, policy.breaker_probe_max);
  EXPECT_EQ(got.cloud, policy.cloud);
  EXPECT_EQ(got.any_cloud, policy.any_cloud);
  const bootstrap::Settings bootstrap;
  EXPECT_EQ(loaded.config->bootstrap.repo_ref, bootstrap.repo_ref);
  EXPECT_EQ(loaded.config->bootstrap.agent_heartbeats, bootstrap.agent_heartbeats);
  EXPECT_EQ(loaded.config->bootstrap.max_restarts, bootstrap.max_restarts);
  EXPECT_EQ(loaded.config->bootstrap.auto_start, bootstrap.auto_start);
  EXPECT_EQ(loaded.config->bootstrap.pod_lease, bootstrap.pod_lease);
  EXPECT_EQ(loaded.config->bootstrap.connect_timeout, bootstrap.connect_timeout);
  const control::Settings control;
  EXPECT_EQ(loaded.config->control.container_disk_gb, control.container_disk_gb);
  EXPECT_EQ(loaded.config->control.persistent_disk_gb, control.persistent_disk_gb);
  EXPECT_EQ(loaded.config->control.mount_path, control.mount_path);
  const DaemonSettings daemon;
  EXPECT_EQ(loaded.config->daemon.listen_host, daemon.listen_host);
  EXPECT_EQ(loaded.config->daemon.listen_port, daemon.listen_port);
  EXPECT_EQ(loaded.config->daemon.socket_path, daemon.socket_path);
  EXPECT_EQ(loaded.config->daemon.log_level, daemon.log_level);
  EXPECT_FALSE(loaded.config->daemon.drain_on_exit);
}

}  // namespace
}  // namespace gpuwarden::config
