#include "types.hpp"

namespace gpuwarden::config {

std::vector<Variable> time_variables() {
  const auto row = [](std::string name, Duration policy::Settings::*place, std::string seconds_by_default,
                      std::string meaning) {
    return Variable{.name = std::move(name),
                    .group = "Times",
                    .type = seconds(in(&Config::policy, place)),
                    .default_value = std::move(seconds_by_default),
                    .meaning = std::move(meaning)};
  };
  using policy::Settings;
  return {
      row("ORCHESTRATOR_POLL_SEC", &Settings::poll, "5", "Time from one look at queue and pods to the next."),
      row("PROVISION_TIMEOUT_SEC", &Settings::provision_timeout, "900",
          "A pod must run within this time after its creation (image pull included)."),
      row("SPAWNING_TIMEOUT_SEC", &Settings::spawning_timeout, "1800",
          "The whole way from registration to the first heartbeat."),
      row("HEARTBEAT_INTERVAL_SEC", &Settings::heartbeat_interval, "20",
          "Time between two heartbeats of a worker."),
      row("HEARTBEAT_TIMEOUT_SEC", &Settings::heartbeat_timeout, "120",
          "A worker without heartbeat for this long is suspected dead."),
      row("GPU_IDLE_TIMEOUT_SEC", &Settings::idle_timeout, "600",
          "An idle worker is let go after this time without a task."),
      row("GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC", &Settings::overcapacity_idle_timeout, "30",
          "The same while there are more workers than wanted."),
      row("TASK_STUCK_TIMEOUT_SEC", &Settings::task_stuck_timeout, "1200",
          "A task that runs longer has its worker replaced."),
      row("GRACEFUL_SHUTDOWN_TIMEOUT_SEC", &Settings::shutdown_timeout, "600",
          "How long a worker that is to go may finish its task."),
      row("RUNPOD_LIST_LAG_SEC", &Settings::list_lag, "300",
          "How long Runpod's list may lack a new pod; a create of unknown outcome is given up after that."),
      Variable{.name = "POD_LEASE_SEC",
               .group = "Times",
               .type = seconds(in(&Config::bootstrap, &bootstrap::Settings::pod_lease)),
               .default_value = "3600",
               .meaning = "A pod without contact for this long, and without a task, deletes itself."},
  };
}

}  // namespace gpuwarden::config
