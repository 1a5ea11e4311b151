#pragma once

#include "observer.hpp"
#include "scale_decision.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Takes away what is not needed: spawning workers of a surplus (youngest first, after a grace), then idle
/// ones, longest idle first. A busy worker is never touched and the floor of active workers never broken. A
/// worker that stays idle while tasks wait is replaced: it does not claim.
void shrink(Tick& tick, const WantedSize& wanted, const ObserverView& observer);

/// Everything drains; nothing is left out.
void drain_all(Tick& tick);

}  // namespace gpuwarden::policy
