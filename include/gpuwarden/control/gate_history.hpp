#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "gpuwarden/control/report.hpp"

namespace gpuwarden::control {

/// One stretch of time in which a gate held the plans back.
struct GateInterval {
  std::string gate;
  std::string reason;  ///< the newest one
  WallTime from{};
  std::optional<WallTime> until{};  ///< none: it still holds
  Duration lasted{0};               ///< by the monotonic clock, so far
};

/// Which gates held the plans of the last hour back, as intervals. What could not be seen is not taken for an
/// end: a gate that a blind tick does not name goes on.
class GateHistory {
 public:
  void note(const TickReport& report);
  /// Oldest first; at most `kMost`, of which the oldest are forgotten.
  std::deque<GateInterval> intervals() const;

  static constexpr std::size_t kMost = 256;
  static constexpr Duration kKept = std::chrono::hours(1);

 private:
  struct Entry {
    GateInterval interval;
    MonoTime began{}, ended{};
  };
  std::deque<Entry> entries_;
};

}  // namespace gpuwarden::control
