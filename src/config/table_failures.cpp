#include "types.hpp"

namespace gpuwarden::config {

std::vector<Variable> failure_variables() {
  using policy::Settings;
  return {
      {.name = "TASK_MAX_ATTEMPTS",
       .group = "Tasks",
       .type = whole_number(in(&Config::policy, &Settings::task_max_attempts), 1, 100),
       .default_value = "3",
       .meaning = "A task that failed or lost its worker this often is failed for good."},
      {.name = "TASK_STUCK_EXEMPT",
       .group = "Tasks",
       .type = list(in(&Config::policy, &Settings::stuck_exempt), "patterns with *, separated by commas"),
       .default_value = "*_orchestrator*",
       .meaning = "Types of tasks that may run for any time."},
      {.name = "TASK_STUCK_TYPES",
       .group = "Tasks",
       .type = task_limits(in(&Config::policy, &Settings::stuck_types)),
       .unset_means = "TASK_STUCK_TIMEOUT_SEC for every type",
       .meaning = "How long tasks of some types may run; TASK_STUCK_EXEMPT comes first.",
       .example = "video_*=3600,quick_*=120"},
      {.name = "FAILURE_RETENTION_DAYS",
       .group = "Tasks",
       .type = days(in(&Config::control, &control::Settings::failure_retention), 1, 3650),
       .default_value = "30",
       .meaning =
           "How long failures with their evidence, and events, are kept; older ones are deleted every hour."},
      {.name = "MAX_WORKER_FAILURE_RATE",
       .group = "Breaker",
       .type = number(in(&Config::policy, &Settings::max_failure_rate), 0.01, 1),
       .default_value = "0.8",
       .meaning = "Share of failed starts above which no more pods are started."},
      {.name = "FAILURE_WINDOW_MINUTES",
       .group = "Breaker",
       .type = minutes(in(&Config::policy, &Settings::failure_window)),
       .default_value = "30",
       .meaning = "How far back starts are counted."},
      {.name = "MIN_WORKERS_FOR_RATE_CHECK",
       .group = "Breaker",
       .type = whole_number(in(&Config::policy, &Settings::min_workers_for_rate), 1, 10'000),
       .default_value = "5",
       .meaning = "Fewest starts in the window for the share to count."},
      {.name = "BREAKER_PROBE_INTERVAL_SEC",
       .group = "Breaker",
       .type = seconds(in(&Config::policy, &Settings::breaker_probe_interval)),
       .default_value = "120",
       .meaning = "Pause before the first probing worker; doubles after each failed probe, up to 3600."},
  };
}

}  // namespace gpuwarden::config
