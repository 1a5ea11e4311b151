#pragma once

#include "gpuwarden/bootstrap/status_line.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

namespace gpuwarden::bootstrap {

/// The cause that a fail line suggests by its step and check; diagnosis may know better from the tail.
FailureCause cause_of(const StatusLine& line);

}  // namespace gpuwarden::bootstrap
