#pragma once

#include <optional>

#include "gpuwarden/ports/clock.hpp"

namespace gpuwarden::app {

/// What systemd is told over NOTIFY_SOCKET; without one nothing happens.
class Notify {
 public:
  /// Reads WATCHDOG_USEC.
  explicit Notify(const ports::Clock& clock);

  /// READY=1, once.
  void ready();
  /// WATCHDOG=1, where a watchdog is set: four times per interval however often this is called.
  void alive();
  /// STOPPING=1, once.
  void stopping();
  /// The stop takes longer than TimeoutStopSec allows, and is under way: EXTEND_TIMEOUT_USEC of a minute,
  /// every five seconds however often this is called.
  void extend_stop();

 private:
  bool due(std::optional<MonoTime>& last, Duration every);

  const ports::Clock& clock_;
  Duration watchdog_every_{0};  ///< 0 = no watchdog
  std::optional<MonoTime> fed_, extended_;
  bool ready_{false}, stopping_{false};
};

}  // namespace gpuwarden::app
