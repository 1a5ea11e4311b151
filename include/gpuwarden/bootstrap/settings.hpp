#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::bootstrap {

using namespace std::chrono_literals;

/// What the startup script and the agent need to know. Nothing secret: that is Secrets.
struct Settings {
  std::string repo_url, repo_ref{"main"};
  std::string worker_dir;  ///< where the repository lives on the pod; empty = <mount>/<repo name>
  std::string mount_path{"/workspace"};
  bool has_volume{false};  ///< a network volume is mounted at mount_path: preflight checks the mount
  std::string setup_cmd, start_cmd;
  bool agent_heartbeats{true};  ///< WORKER_HEARTBEAT: agent or worker
  int max_restarts{0};
  bool auto_start{true};
  bool ship_logs{false};  ///< the worker's log lines go to system_logs, with its heartbeats
  /// Checks of preflight alone, for a pod without a worker's row: each one's figures stand in the tail of the
  /// last line, and the database must refuse a token that nobody gave out.
  bool preflight_only{false};
  Duration heartbeat_interval{20s};
  Duration pod_lease{3600s};
  std::optional<int> min_memory_gb;
  std::string min_cuda;
  int min_disk_free_mb{1024};
  std::string supabase_url;
  std::map<std::string, std::string>
      pass_env;  ///< WORKER_PASS_ENV resolved; may hold secrets, so never part of a hash or log
  Duration connect_timeout{300s};     ///< SSH must answer within this after the pod runs
  Duration bootstrap_timeout{1800s};  ///< whole script
};

}  // namespace gpuwarden::bootstrap
