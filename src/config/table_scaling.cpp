#include "types.hpp"

namespace gpuwarden::config {

std::vector<Variable> scaling_variables() {
  const std::string group = "Scaling";
  using policy::Settings;
  return {
      {.name = "MIN_ACTIVE_GPUS",
       .group = group,
       .type = whole_number(in(&Config::policy, &Settings::min_active), 0, 10'000),
       .default_value = "0",
       .meaning = "Workers that are kept even when nothing is queued."},
      {.name = "MAX_ACTIVE_GPUS",
       .group = group,
       .type = whole_number(in(&Config::policy, &Settings::max_active), 0, 10'000),
       .default_value = "10",
       .meaning = "Workers that there may be at most, spawning ones included."},
      {.name = "TASKS_PER_GPU_THRESHOLD",
       .group = group,
       .type = number(in(&Config::policy, &Settings::tasks_per_gpu), 0.01, 100'000),
       .default_value = "1",
       .meaning = "Waiting tasks that a GPU may have before another one is wanted."},
      {.name = "MACHINES_TO_KEEP_IDLE",
       .group = group,
       .type = whole_number(in(&Config::policy, &Settings::keep_idle), 0, 10'000),
       .default_value = "0",
       .meaning = "Idle workers kept ready beyond what the queue needs."},
      {.name = "SCALE_UP_MULTIPLIER",
       .group = group,
       .type = number(in(&Config::policy, &Settings::scale_up_multiplier), 0.01, 100),
       .default_value = "1.0",
       .meaning = "Grows only when the need is above this multiple of the capacity."},
      {.name = "SCALE_DOWN_MULTIPLIER",
       .group = group,
       .type = number(in(&Config::policy, &Settings::scale_down_multiplier), 0.01, 100),
       .default_value = "0.9",
       .meaning =
           "Shrinks only when the need is below this part of the capacity, so that the fleet does not flap."},
      {.name = "TARGET_QUEUE_DRAIN_SEC",
       .group = group,
       .type = optional_seconds(in(&Config::policy, &Settings::queue_drain_target)),
       .unset_means = "the fleet is sized by the number of tasks",
       .meaning =
           "Sizes the fleet so that the queue is worked off in this time, by how long tasks of each type "
           "took in the last 24 hours; a type with fewer than three finished tasks is counted as before.",
       .example = "900"},
      {.name = "SCALE_UP_DELAY_SEC",
       .group = group,
       .type = seconds_from_zero(in(&Config::policy, &Settings::scale_up_delay)),
       .default_value = "0",
       .meaning =
           "How long more workers must be wanted without a break before one is started; 0 starts them at "
           "once. A command that looks only once (gpuwarden once) does not wait."},
      {.name = "SCALE_DOWN_DELAY_SEC",
       .group = group,
       .type = seconds_from_zero(in(&Config::policy, &Settings::scale_down_delay)),
       .default_value = "30",
       .meaning =
           "How long fewer workers must be enough without a break before one is let go, beside its idle "
           "time. A command that looks only once (gpuwarden once) does not wait."},
      {.name = "SCALE_DOWN_GRACE_PERIOD_SEC",
       .group = group,
       .type = seconds(in(&Config::policy, &Settings::scale_down_grace)),
       .default_value = "60",
       .meaning = "Pause from one scale-down to the next."},
      {.name = "SPAWNING_GRACE_PERIOD_SEC",
       .group = group,
       .type = seconds(in(&Config::policy, &Settings::spawning_grace)),
       .default_value = "180",
       .meaning = "Age before a spawning worker that is no longer needed is cancelled."},
      {.name = "MAX_SPAWNS_PER_MINUTE",
       .group = group,
       .type = whole_number(in(&Config::policy, &Settings::max_spawns_per_minute), 1, 1000),
       .default_value = "10",
       .meaning = "Pods created in any 60 seconds at most."},
      {.name = "MAX_HOURLY_COST_USD",
       .group = group,
       .type = optional_usd(in(&Config::policy, &Settings::max_hourly_cost_usd)),
       .unset_means = "no limit",
       .meaning =
           "What all workers together may cost an hour. Nothing is started that would pass it; where it is "
           "passed all the same, workers go one by one, idle ones first and below MIN_ACTIVE_GPUS too; "
           "busy ones finish their task.",
       .example = "5"},
      {.name = "MAX_DAILY_COST_USD",
       .group = group,
       .type = optional_usd(in(&Config::policy, &Settings::max_daily_cost_usd)),
       .unset_means = "no limit",
       .meaning =
           "What may be spent in any 24 hours. Nothing is started whose first hour would pass it; once it "
           "is spent, workers go as with MAX_HOURLY_COST_USD.",
       .example = "60"},
  };
}

}  // namespace gpuwarden::config
