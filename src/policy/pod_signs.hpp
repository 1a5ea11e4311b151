#pragma once

#include <string>

#include "gpuwarden/domain/failure_cause.hpp"

#include "tick.hpp"

namespace gpuwarden::policy {

/// What the provider says about a worker's pod.
struct PodSigns {
  bool gone{false};  ///< the container does not run: exited, failed, vanished or restarted in place
  FailureCause cause{FailureCause::unclassified};
  std::string words;  ///< "its pod has exited"
};

/// Absent pods count from the second complete list on.
PodSigns pod_signs(const Member& member);

}  // namespace gpuwarden::policy
