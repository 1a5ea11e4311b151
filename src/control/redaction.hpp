#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/control/environment.hpp"
#include "gpuwarden/domain/evidence.hpp"

namespace gpuwarden::control {

/// Text without secrets, by the environment's redactor.
std::string redacted(const Environment& environment, std::string_view text);
/// The same for every text that a pod, a service or the daemon put into the evidence.
Evidence redacted(const Environment& environment, Evidence evidence);

}  // namespace gpuwarden::control
