#pragma once

#include <optional>
#include <string_view>

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Shell-like pattern: `*` any run, `?` any one character; no classes. Whole text, case matters.
bool matches_glob(std::string_view text, std::string_view pattern);

/// How long tasks of a type may run: TASK_STUCK_TYPES, the first match, else the general time-out; none = for
/// any time.
std::optional<Duration> stuck_limit(std::string_view type, const Settings& settings);

/// Fails workers whose task runs longer than its type may, unless that is exempt. Not right after an
/// outage, in which tasks could not be completed.
void judge_tasks(Tick& tick, const ObserverView& observer);

}  // namespace gpuwarden::policy
