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

/// Most pods vanished from the list at once, at least three and 55 %: that says more about the list than
/// about them.
bool list_is_doubted(const Tick& tick);

/// May the signs be acted on? A pod that is missing from lists only: when it was listed before or is old
/// enough to be, and for as long as the list is `doubted` not before it has been missing for the list lag.
bool is_believed(const Tick& tick, const Member& member, const PodSigns& signs, bool doubted);

}  // namespace gpuwarden::policy
