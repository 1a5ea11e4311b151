#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden::policy {

using namespace std::chrono_literals;

/// How long tasks of some types may run.
struct StuckLimit {
  std::string pattern;  ///< shell-like, of the task's type
  Duration limit{0};
  bool operator==(const StuckLimit&) const = default;
};

/// Everything the decisions depend on besides the world. Defaults are those of the configuration table.
struct Settings {
  std::string owner{"default"};

  // Scaling
  int min_active{0};
  int max_active{10};
  double tasks_per_gpu{1};
  int keep_idle{0};
  double scale_up_multiplier{1.0};
  double scale_down_multiplier{0.9};
  Duration scale_up_delay{0s};                 ///< how long more workers must be wanted before one is added
  Duration scale_down_delay{30s};              ///< how long fewer must do before one is let go
  Duration scale_down_grace{60s};              ///< from one scale-down to the next
  std::optional<Duration> queue_drain_target;  ///< to work the queue off in; none = by counts
  Duration spawning_grace{180s};
  int max_spawns_per_minute{10};
  std::optional<double> max_hourly_cost_usd, max_daily_cost_usd;

  // Times
  Duration poll{5s};
  Duration provision_timeout{900s};
  Duration spawning_timeout{1800s};
  Duration heartbeat_interval{20s};
  Duration heartbeat_timeout{120s};
  Duration idle_timeout{600s};
  Duration overcapacity_idle_timeout{30s};
  Duration task_stuck_timeout{1200s};
  Duration shutdown_timeout{600s};  ///< how long a draining worker may finish its task

  // Creating and deleting without idempotency keys. A POST of Runpod may answer 5xx and still create, a new
  // pod may be missing from lists and answer 404 for a while: hence the patience.
  Duration list_lag{300s};  ///< how long a new pod, also one of a create without an answer, may be in no list
  Duration collect_timeout{20s};     ///< the crash bundle's time; then the pod is deleted anyway
  Duration delete_retry{10s};        ///< first pause between two deletes of one pod, doubling
  Duration undeletable_after{600s};  ///< a pod that is still there after this is an alarm

  // Tasks
  int task_max_attempts{3};
  std::vector<std::string> stuck_exempt{"*_orchestrator*"};  ///< glob patterns of task types
  std::vector<StuckLimit> stuck_types;  ///< first match wins; other types: task_stuck_timeout

  // Breaker
  double max_failure_rate{0.8};
  Duration failure_window{30min};
  int min_workers_for_rate{5};
  Duration breaker_probe_interval{120s};
  Duration breaker_probe_max{3600s};

  // Placement: candidates in the operator's order, made by config from GPU types x volumes or data centres x
  // cloud
  std::vector<std::string> gpu_types;
  std::vector<std::string> data_centers;
  std::vector<std::string> volume_names;
  Cloud cloud{Cloud::secure};
  bool any_cloud{false};  ///< the other cloud will do as well: the cheaper one is tried first

  std::string
      script_hash;  ///< of the startup script and the worker's configuration; a change is a new generation

  bool operator==(const Settings&) const = default;
};

}  // namespace gpuwarden::policy
