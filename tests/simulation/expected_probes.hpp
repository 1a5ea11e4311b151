#pragma once

#include <string_view>
#include <vector>

namespace gpuwarden::simulation {

/// Every fault and every edge between states that a large enough number of runs must have reached: where one
/// is missing, the simulation has stopped to test something.
const std::vector<std::string_view>& expected_probes();

}  // namespace gpuwarden::simulation
