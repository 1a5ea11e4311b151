#pragma once

#include <chrono>

namespace gpuwarden {

/// All durations of the product; settings, ages and deadlines.
using Duration = std::chrono::milliseconds;

/// A calendar time, UTC. Only shown and stored, never subtracted across machines.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// Tag of the daemon's monotonic clock; it has no now() on purpose: time is an argument (ports::Clock gives
/// it).
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock, Duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

}  // namespace gpuwarden
