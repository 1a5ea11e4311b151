#pragma once

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Asks for the tasks that no live worker owns, at most once in ten seconds, and not right after an outage,
/// in which nobody could show activity.
void rescue_tasks(Tick& tick, const ObserverView& observer);

}  // namespace gpuwarden::policy
