#pragma once

#include <optional>
#include <string>

#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden::control {

/// What the control loop needs besides the settings of policy and bootstrap.
struct Settings {
  std::string owner{"default"};
  std::string image, template_id, registry_id;
  int container_disk_gb{50};
  int persistent_disk_gb{0};
  std::string mount_path{"/workspace"};
  std::optional<int> min_vcpu, min_memory_gb;
  std::string min_cuda;
  Duration poll{std::chrono::seconds(5)};
  Duration summary_every{std::chrono::minutes(5)};
  Duration collect_timeout{std::chrono::seconds(20)};
  /// A timer of so long shows by its lateness how long the event loop stood still, at most this much too
  /// little; a watchdog is fed as often.
  Duration stall_probe{std::chrono::milliseconds(20)};
  int max_actions_in_flight{64};
  /// How long failures and events are kept; whole days, one at least.
  Duration failure_retention{std::chrono::hours(24 * 30)};
};

}  // namespace gpuwarden::control
