#pragma once

#include <optional>

#include "tick.hpp"

namespace gpuwarden::policy {

/// The band in which the fleet is left alone: below `up` it grows, above `down` it shrinks.
struct WantedSize {
  int up{0}, down{0};
};

/// The queue's work in GPUs, before multipliers, buffer and bounds.
struct Load {
  double gpus{0};
  std::optional<DrainFigures> drain;  ///< where a time is set for working the queue off
};

/// By counts: one GPU carries tasks_per_gpu tasks, queued and running. With a drain target: queued tasks take
/// the typical time of their type and running ones what is left of it, all of which shall fit into the
/// target; a task occupies one GPU at most, and one that runs does occupy its own. Types with fewer than
/// three samples are counted.
Load load_of(const Snapshot& snapshot, const Settings& settings);

/// The fleet grows when the load is more than capacity x scale_up_multiplier, and shrinks when it is less
/// than capacity x scale_down_multiplier; keep_idle comes on top, and floor and ceiling bound both.
WantedSize size_for(double gpus, const Settings& settings);
/// The same for so many tasks by count.
WantedSize wanted_size(long tasks, const Settings& settings);

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
