#pragma once

#include <string>
#include <vector>

#include "scale_decision.hpp"

namespace gpuwarden::policy {

/// How size_for(load) comes to its result, one step a line, for the operator. `wanted`: what the tick made of
/// it in the end.
std::vector<std::string> size_steps(const QueueDepth& queue, const Load& load, const WantedSize& wanted,
                                    const Settings& settings);

}  // namespace gpuwarden::policy
