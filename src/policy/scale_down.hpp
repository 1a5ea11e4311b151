#pragma once

#include <vector>

#include "observer.hpp"
#include "persistence.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Raises the wanted size by one while an idle worker that does not claim is kept by the floor: its
/// replacement must be there before it can go.
void make_room_for_replacement(Tick& tick, Sizing& sizing, const ObserverView& observer);

/// Takes away what has not been needed for a while: spawning workers of a surplus (youngest first, after a
/// grace), then idle ones, longest idle first. A busy worker is never touched and the floor of active workers
/// never broken. A worker that stays idle while tasks wait is replaced: it does not claim.
void shrink(Tick& tick, const Sizing& sizing, const ObserverView& observer);

/// Idle workers that this tick has not decided about yet.
std::vector<Member*> idle_longest_first(Tick& tick);

/// Everything drains; nothing is left out.
void drain_all(Tick& tick);

}  // namespace gpuwarden::policy
