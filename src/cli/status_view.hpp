#pragma once

#include "gpuwarden/domain/snapshot.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// What the database alone says, in the shape of the daemon's /v1/status. `daemon_error`: why the daemon was
/// not asked.
Json snapshot_status(const Snapshot& snapshot, const Error& daemon_error);

/// The daemon's /v1/status (or `snapshot_status`) for people. Absent fields are left out.
void print_status(const Json& status, Output& output);

}  // namespace gpuwarden::cli
