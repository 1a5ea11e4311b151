#pragma once

#include <string>

#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden::ops {

/// What the daemon's status and the one without a daemon share: {"queue": …, "workers": […], "failing": […]}.
std::string snapshot_json(const Snapshot& snapshot);

}  // namespace gpuwarden::ops
