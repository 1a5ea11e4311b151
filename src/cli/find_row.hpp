#pragma once

#include <string>

#include "command.hpp"

namespace gpuwarden::cli {

/// The worker that `id` names: its id, the beginning or end of one that fits no other, or its pod's id.
/// Errors: not_found, invalid_input (several fit).
ports::Async<ports::WorkerRow> find_worker(const Scope& scope, std::string id);
/// The task that `id` names: its id, or the beginning of one of the newest 1000.
ports::Async<ports::TaskStory> find_task(const Scope& scope, std::string id);

}  // namespace gpuwarden::cli
