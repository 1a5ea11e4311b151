#pragma once

#include <string>
#include <vector>

#include "scale_decision.hpp"

namespace gpuwarden::policy {

/// How wanted_size() comes to its result, one step a line, for the operator. `wanted`: what the tick made of
/// it in the end.
std::vector<std::string> size_steps(const QueueDepth& queue, const WantedSize& wanted,
                                    const Settings& settings);

}  // namespace gpuwarden::policy
