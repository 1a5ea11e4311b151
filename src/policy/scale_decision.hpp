#pragma once

#include "tick.hpp"

namespace gpuwarden::policy {

/// The band in which the fleet is left alone: below `up` it grows, above `down` it shrinks.
struct WantedSize {
  int up{0}, down{0};
};

/// One GPU carries tasks_per_gpu tasks. The fleet grows when the work is more than capacity x
/// scale_up_multiplier, and shrinks when it is less than capacity x scale_down_multiplier; keep_idle comes on
/// top, and floor and ceiling bound both.
WantedSize wanted_size(long workload, const Settings& settings);

/// What stands against the wanted size.
struct Strength {
  int active{0}, spawning{0}, draining{0}, idle{0};
  int unproven{0};      ///< on the way to the first heartbeat
  int proven_alive{0};  ///< active workers of the script that we would spawn
  int occupied{0};      ///< every pod that exists or may exist, ours by name: what the ceiling bounds
  int capacity() const { return active + spawning; }
};

/// Counts the fleet as it is after this tick's decisions so far: who fails, drains or is cancelled now is no
/// capacity any more, but still a pod.
Strength strength_of(const Tick& tick);

}  // namespace gpuwarden::policy
