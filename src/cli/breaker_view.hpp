#pragma once

#include <optional>
#include <vector>

#include "gpuwarden/domain/snapshot.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// Breaker, evidence and override of a snapshot. `window`: how far back starts are counted.
Json breaker_view(const Snapshot& snapshot, Duration window);
/// The same for people.
void print_breaker(const Snapshot& snapshot, Duration window, Output& output);

/// The narrow breakers that are not closed.
std::vector<ScopeBreaker> troubled(const Snapshot& snapshot);

Json override_json(const std::optional<BreakerOverride>& override_row);
/// "held by ann for 1h 59m more: looking"
std::string override_text(const BreakerOverride& override_row);

}  // namespace gpuwarden::cli
