#pragma once

#include <optional>
#include <string>

#include "tick.hpp"

namespace gpuwarden::policy {

/// What an intent without a pod id comes to.
enum class IntentFate { wait, adopt, abandon };

struct IntentVerdict {
  IntentFate fate{IntentFate::wait};
  std::string reason;
};

/// One create, one POST, ever: a row in `intent` or `unknown` whose POST is not running any more is matched
/// by name. A pod of that name is adopted; without one the row is given up only when complete lists have
/// lacked the name for longer than a late pod can take to show, or at once where it is known that this
/// process never came to the POST. There is no second POST.
IntentVerdict judge_intent(const Tick& tick, const Member& member);

void settle_intents(Tick& tick);

}  // namespace gpuwarden::policy
