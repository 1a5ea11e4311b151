#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden {

/// Why a worker failed: the closed list, in the order of a worker's life.
enum class FailureCause {
  // provision
  no_capacity,
  insufficient_balance,
  invalid_request,
  unauthorized,
  image_pull_failed,
  provision_timeout,
  pod_exited,
  pod_error,
  pod_vanished,
  // connect
  ssh_unreachable,
  ssh_auth_failed,
  ssh_host_key_mismatch,
  // bootstrap
  preflight_gpu,
  preflight_memory,
  preflight_disk,
  preflight_mount,
  preflight_network,
  preflight_credentials,
  fetch_failed,
  setup_failed,
  start_failed,
  bootstrap_timeout,
  first_heartbeat_timeout,
  // runtime
  worker_crashed,
  out_of_memory,
  gpu_error,
  disk_full,
  heartbeat_lost,
  task_stuck,
  spot_reclaimed,
  // a defect to fix: the evidence fits no rule
  unclassified
};

/// What a cause says about: what must change for it to go away.
enum class FailureScope { request, placement, image_and_script, host, network, database };

/// The fixed facts about a cause.
struct CauseFacts {
  FailureCause cause;
  std::string_view name;    ///< snake_case, as stored
  std::string_view life;    ///< provision, connect, bootstrap or runtime
  bool counts_for_breaker;  ///< false for what is no fault of the fleet
  FailureScope scope;
  std::string_view advice;  ///< one line: what the operator does next
};

const std::vector<CauseFacts>& all_causes();
const CauseFacts& facts(FailureCause cause);
std::string_view to_string(FailureCause cause);
std::string_view to_string(FailureScope scope);
std::optional<FailureCause> parse_failure_cause(std::string_view name);

}  // namespace gpuwarden
