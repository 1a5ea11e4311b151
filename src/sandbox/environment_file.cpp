#include "environment_file.hpp"

#include <fmt/format.h>

#include "pod_files.hpp"

namespace gpuwarden::sandbox {

std::map<std::string, std::string> make_environment(const SandboxReady& ready, const SandboxKeys& keys,
                                                    const std::string& dir, bool shared_file_system) {
  std::map<std::string, std::string> environment{
      {"RUNPOD_API_KEY", keys.runpod},
      {"RUNPOD_API_URL", ready.runpod},
      {"RUNPOD_GPU_TYPE", "NVIDIA GeForce RTX 4090"},
      {"RUNPOD_WORKER_IMAGE", "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"},
      {"RUNPOD_CONTAINER_DISK_GB", "20"},
      {"RUNPOD_SSH_PRIVATE_KEY_PATH", keys.ssh_key_path},
      {"WORKER_REPO_URL", ready.repository},
      {"WORKER_SETUP_CMD", "./setup.sh"},
      {"WORKER_START_CMD", "./start.sh"},
      {"GPUWARDEN_OWNER", "sandbox"},
      {"GPUWARDEN_SOCKET", dir + "/control.sock"},
      {"GPUWARDEN_LISTEN", "off"},
      {"ORCHESTRATOR_POLL_SEC", "1"},
      {"MAX_ACTIVE_GPUS", "5"},
      {"MAX_SPAWNS_PER_MINUTE", "30"},
      {"SCALE_DOWN_DELAY_SEC", "0"},
      {"SCALE_DOWN_GRACE_PERIOD_SEC", "2"},
      {"SPAWNING_GRACE_PERIOD_SEC", "20"},
      {"PROVISION_TIMEOUT_SEC", "45"},
      {"SPAWNING_TIMEOUT_SEC", "120"},
      {"HEARTBEAT_INTERVAL_SEC", "2"},
      {"HEARTBEAT_TIMEOUT_SEC", "15"},
      {"GPU_IDLE_TIMEOUT_SEC", "4"},
      {"GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC", "2"},
      {"GRACEFUL_SHUTDOWN_TIMEOUT_SEC", "60"},
      {"RUNPOD_LIST_LAG_SEC", "60"},
      {"POD_LEASE_SEC", "600"},
      {"BREAKER_PROBE_INTERVAL_SEC", "10"},
  };
  if (!ready.supabase.empty()) {
    environment["SUPABASE_URL"] = ready.supabase;
    environment["SUPABASE_SECRET_KEY"] = keys.supabase_secret;
    environment["SUPABASE_PUBLISHABLE_KEY"] = keys.supabase_publishable;
  }
  // One path is one directory where pods have no file system of their own: they share it as they would share
  // a network volume.
  if (shared_file_system) environment["RUNPOD_VOLUME_MOUNT_PATH"] = dir + "/workspace";
  return environment;
}

Result<void> write_environment(const std::string& path,
                               const std::map<std::string, std::string>& environment) {
  std::string text = "# Environment for gpuwarden against this sandbox.\n";
  for (const auto& [name, value] : environment) text += fmt::format("{}=\"{}\"\n", name, value);
  return write_text(path, text, 0600);
}

}  // namespace gpuwarden::sandbox
