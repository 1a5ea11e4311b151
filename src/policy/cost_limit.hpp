#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// How the reason of a drain for money begins; its worker may finish a task that is not stuck.
inline constexpr std::string_view kCostDrain = "over the cost limit";

/// Why the fleet costs too much as it is: what the listed pods that stay cost by the hour, or what the last
/// 24 hours cost, against MAX_HOURLY_COST_USD and MAX_DAILY_COST_USD. None = within the limits, or not known
/// because the list is not complete. Pods that are on their way out do not count by the hour.
std::optional<std::string> cost_excess(const Tick& tick);

/// A limit that is passed (a price rose, a limit was lowered, the day's money is spent) takes one worker a
/// tick away, whatever floor, buffer and time-outs say: idle ones first, then the youngest spawning one, then
/// a busy one, which finishes its task. True when the limit is passed: it decides about scaling down then.
bool enforce_cost_limit(Tick& tick, const ObserverView& observer);

}  // namespace gpuwarden::policy
