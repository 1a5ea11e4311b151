#pragma once

#include "breaker.hpp"
#include "observer.hpp"
#include "scale_decision.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Spawns what is missing, as far as every gate lets it: breaker, ceiling, spawn rate, slow start, placement,
/// money. Each gate that holds something back says so.
void grow(Tick& tick, const WantedSize& wanted, const BreakerVerdict& breaker, const ObserverView& observer);

}  // namespace gpuwarden::policy
