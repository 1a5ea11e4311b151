#pragma once

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::control {

/// Makes the view of a tick that of the next one if every action of `plan` succeeds and nothing else changes.
/// Spawned workers are spawns under way; who is acted on otherwise has the status that the action gives.
void assume_done(policy::Observation& seen, const Plan& plan);

}  // namespace gpuwarden::control
