#pragma once

#include <optional>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

/// Compares the database's clock with our own monotonic one, from snapshot to snapshot: where it went ahead
/// by more than answers can be late, every age that spans that instant is too long by as much. A clock that
/// is set back takes earlier jumps back; ages that it shortens only make us wait.
void note_database_clock(Memory& memory, const Snapshot& snapshot, MonoTime received);

/// How far the database's clock has jumped ahead while we watched.
Duration jumped_ahead(const Memory& memory);

/// The snapshot with ages of workers and running tasks as they would be without the jumps; none = there were
/// none. Outcomes and the breaker keep the database's time, by which nobody dies.
std::optional<Snapshot> without_jumps(const Memory& memory, const Snapshot& snapshot);

}  // namespace gpuwarden::policy
