#pragma once

#include <string_view>

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// Shell-like pattern: `*` any run, `?` any one character; no classes. Whole text, case matters.
bool matches_glob(std::string_view text, std::string_view pattern);

/// Fails workers whose task runs longer than the time-out, unless its type is exempt. Not right after an
/// outage, in which tasks could not be completed.
void judge_tasks(Tick& tick, const ObserverView& observer);

}  // namespace gpuwarden::policy
