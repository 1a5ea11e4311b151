#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "checks.hpp"

namespace gpuwarden::config {

using namespace std::chrono_literals;

void check_times(const Draft& draft, const Usable& usable, Loaded& loaded) {
  const policy::Settings& times = draft.config.policy;
  const auto warn = [&](bool unwise, std::string name, std::string message) {
    if (unwise && usable.contains(name)) loaded.warnings.push_back({std::move(name), std::move(message)});
  };
  warn(times.heartbeat_timeout < times.heartbeat_interval * 3, "HEARTBEAT_TIMEOUT_SEC",
       fmt::format("is less than three HEARTBEAT_INTERVAL_SEC ({}): one lost heartbeat may cost a healthy "
                   "worker. Use {} or more.",
                   format_duration(times.heartbeat_interval), format_duration(times.heartbeat_interval * 3)));
  warn(times.poll < 2s, "ORCHESTRATOR_POLL_SEC",
       "is below 2 s: Runpod allows about 60 requests a minute, and every look at the pods is one.");
  warn(times.poll > 60s, "ORCHESTRATOR_POLL_SEC", "is above a minute: failures are noticed late.");
  warn(times.poll * 2 > times.heartbeat_timeout, "ORCHESTRATOR_POLL_SEC",
       "is more than half of HEARTBEAT_TIMEOUT_SEC: the daemon sees too few heartbeats to judge by.");
  warn(times.provision_timeout > times.spawning_timeout, "PROVISION_TIMEOUT_SEC",
       "is more than SPAWNING_TIMEOUT_SEC, which covers the whole way, so it is never reached.");
  warn(times.spawning_timeout < 120s, "SPAWNING_TIMEOUT_SEC",
       "is below two minutes: pulling an image alone can take longer.");
  warn(times.list_lag < 60s, "RUNPOD_LIST_LAG_SEC",
       "is below a minute: a pod that shows late may come in addition to the one that replaced it.");
  warn(draft.config.bootstrap.pod_lease < 300s, "POD_LEASE_SEC",
       "is below five minutes: a short outage of Supabase makes every idle pod delete itself.");
  warn(times.overcapacity_idle_timeout > times.idle_timeout, "GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC",
       "is more than GPU_IDLE_TIMEOUT_SEC: surplus workers would stay longer than needed ones.");
  warn(times.scale_down_delay > times.idle_timeout, "SCALE_DOWN_DELAY_SEC",
       "is more than GPU_IDLE_TIMEOUT_SEC: idle workers stay until fewer have been enough for so long.");
  warn(times.scale_up_delay > 300s, "SCALE_UP_DELAY_SEC",
       "is above five minutes: tasks wait that long before a pod is even asked for.");
  warn(
      times.failure_window < times.spawning_timeout, "FAILURE_WINDOW_MINUTES",
      "is shorter than SPAWNING_TIMEOUT_SEC: workers that fail by timeout may leave the window before enough "
      "of them are counted.");
}

}  // namespace gpuwarden::config
