#pragma once

#include <optional>
#include <string>

#include "gpuwarden/control/loop.hpp"

namespace gpuwarden::ops {

/// The newest tick explained, as JSON text: {at, tick, fresh, next_tick_in_s, queue, scale{..., steps},
/// missing, gates [{name, reason, opens_in_s, opens_at, by_itself, remedy}], actions, next {actions, gates},
/// in_flight, history [{gate, reason, from, until, lasted_s}], errors, error_kinds}. `fresh`: a rehearsal of
/// a process that has watched nothing before. With a worker also `worker`: null where the newest snapshot has
/// none of that name, else its row with `pod_status`, `heartbeat`, `deadlines`, `because`, `recent`. None
/// before the first tick.
std::optional<std::string> explain_json(const control::ControlLoop& loop, const WorkerId& worker = {});

}  // namespace gpuwarden::ops
