#pragma once

#include "breaker.hpp"
#include "observer.hpp"
#include "persistence.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Spawns what is missing, as far as every gate lets it: the delay of scale-ups, breaker, ceiling, spawn
/// rate, slow start, placement, money. Each gate that holds something back says so.
void grow(Tick& tick, const Sizing& sizing, const BreakerVerdict& breaker, const ObserverView& observer);

}  // namespace gpuwarden::policy
