#pragma once

#include <string>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/control/report.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// What is known of an action before it runs: its name, worker, pod and the plan's reason.
ActionResult action_result(const PlannedAction& planned);

/// Adds how it ended and what only the end could tell: the pod of a new worker, the cause of a failure.
void complete(ActionResult& result, const Result<std::string>& outcome, Duration took, Context& context);

}  // namespace gpuwarden::control
