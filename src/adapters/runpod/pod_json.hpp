#pragma once

#include <nlohmann/json.hpp>

#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden::runpod {

/// Reads what is there; id, name and status may come out empty.
Pod read_pod(const nlohmann::json& value);

}  // namespace gpuwarden::runpod
