#include <fmt/format.h>

#include "checks.hpp"

namespace gpuwarden::config {

void check_pods(const Draft& draft, const Usable& usable, Loaded& loaded) {
  const auto error = [&](std::string name, std::string message) {
    loaded.errors.push_back({std::move(name), std::move(message)});
  };
  const auto warn = [&](std::string name, std::string message) {
    loaded.warnings.push_back({std::move(name), std::move(message)});
  };
  const control::Settings& pods = draft.config.control;
  const policy::Settings& policy = draft.config.policy;
  const bootstrap::Settings& worker = draft.config.bootstrap;

  if (usable.contains("RUNPOD_GPU_TYPE") && policy.gpu_types.empty())
    error("RUNPOD_GPU_TYPE", "names no GPU type. Example: NVIDIA GeForce RTX 4090");
  if (pods.image.empty() && pods.template_id.empty())
    error("RUNPOD_WORKER_IMAGE",
          "is not set, and neither is RUNPOD_TEMPLATE_ID. Set one of them. Example: "
          "RUNPOD_WORKER_IMAGE=runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04");
  if (pods.image.find_first_of(" \t\n") != std::string::npos)
    error("RUNPOD_WORKER_IMAGE", "must not contain blanks.");
  if (pods.persistent_disk_gb > 0 && !policy.volume_names.empty())
    error("RUNPOD_DISK_SIZE_GB",
          "a pod has either a persistent disk or a network volume. Remove this or RUNPOD_STORAGE_NAME.");
  if (policy.cloud == Cloud::community && !policy.volume_names.empty())
    warn("RUNPOD_CLOUD",
         "network volumes (RUNPOD_STORAGE_NAME) exist only in the secure cloud. Set RUNPOD_CLOUD=SECURE.");
  if (!worker.auto_start) {
    if (!worker.start_cmd.empty())
      warn("WORKER_START_CMD",
           "is never run, because AUTO_START_WORKER_PROCESS is false. Remove one of the two.");
    else if (!worker.repo_url.empty())
      warn("AUTO_START_WORKER_PROCESS",
           "is false: WORKER_REPO_URL is fetched, but gpuwarden starts nothing in it. Make sure that the "
           "image "
           "does, or set it to true and WORKER_START_CMD.");
    return;
  }
  for (const auto& [name, value] :
       {std::pair("WORKER_REPO_URL", &worker.repo_url), std::pair("WORKER_START_CMD", &worker.start_cmd)}) {
    if (value->empty() && usable.contains(name))
      error(name, fmt::format("is not set. Set it, or AUTO_START_WORKER_PROCESS=false when the image starts "
                              "the worker by itself. Example: {}",
                              std::string_view(name) == "WORKER_REPO_URL"
                                  ? "WORKER_REPO_URL=https://github.com/example/worker.git"
                                  : "WORKER_START_CMD=.venv/bin/python worker.py"));
  }
}

void check_fleet(const Draft& draft, const Usable& usable, Loaded& loaded) {
  const auto warn = [&](std::string name, std::string message) {
    loaded.warnings.push_back({std::move(name), std::move(message)});
  };
  const policy::Settings& fleet = draft.config.policy;
  const bool sizes = usable.contains("MIN_ACTIVE_GPUS") && usable.contains("MAX_ACTIVE_GPUS");
  if (sizes && fleet.min_active > fleet.max_active)
    loaded.errors.push_back(
        {"MIN_ACTIVE_GPUS", fmt::format("is {}, more than MAX_ACTIVE_GPUS ({}). Lower it or raise the other.",
                                        fleet.min_active, fleet.max_active)});
  if (usable.contains("MAX_ACTIVE_GPUS") && fleet.max_active == 0)
    warn("MAX_ACTIVE_GPUS", "is 0: no worker will ever be started.");
  if (sizes && fleet.keep_idle > 0 && fleet.keep_idle >= fleet.max_active)
    warn("MACHINES_TO_KEEP_IDLE", "leaves no room for work below MAX_ACTIVE_GPUS.");
  if (fleet.queue_drain_target && draft.config.supabase.count_by_edge_function)
    warn("TARGET_QUEUE_DRAIN_SEC",
         "has no effect with TASK_COUNT_SOURCE=edge, whose counts name no types. Use TASK_COUNT_SOURCE=sql.");
  if (fleet.scale_down_multiplier > fleet.scale_up_multiplier)
    warn("SCALE_DOWN_MULTIPLIER",
         "is more than SCALE_UP_MULTIPLIER, so the fleet may grow and shrink in turn. Lower it.");
  if (fleet.max_daily_cost_usd && fleet.max_hourly_cost_usd &&
      *fleet.max_daily_cost_usd < *fleet.max_hourly_cost_usd)
    warn("MAX_DAILY_COST_USD", "is less than MAX_HOURLY_COST_USD, which then never matters.");
}

}  // namespace gpuwarden::config
