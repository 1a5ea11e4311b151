#pragma once

#include <optional>

#include "scale_decision.hpp"

namespace gpuwarden::policy {

/// What is wanted now, and what of it has been wanted for long enough to be acted upon.
struct Sizing {
  WantedSize now;
  int grow_to{0};        ///< the least `up` of the last scale_up_delay
  WantedSize shrink_to;  ///< the most of the last scale_down_delay
  Duration grows_in{0};  ///< when what is missing above `grow_to` could count; the same for `shrinks_in`
  Duration shrinks_in{0};
};

/// Takes down what is wanted now. A need counts when it has been there in every look of its delay, and while
/// less was seen than the whole delay nothing counts; a delay of zero acts on the first look.
Sizing lasting(Tick& tick, const WantedSize& now);

/// Nothing is known of what is wanted: what was seen before does not count any more.
void forget_sizes(Memory& memory);

}  // namespace gpuwarden::policy
