#pragma once

#include "command.hpp"

namespace gpuwarden::cli {

/// The daemon's /v1/explain for people: fleet, arithmetic, gates, next tick, the last hour.
void print_explanation(const Json& json, Output& output);
/// Its `worker` (which must be an object) for people.
void print_story(const Json& json, Output& output);

}  // namespace gpuwarden::cli
