#pragma once

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::ports {

/// Time and waiting. The simulation's clock jumps; nobody else reads a clock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall() const = 0;
  /// Ends early, without an exception, when the awaiting coroutine is cancelled; check cancellation
  /// afterwards.
  virtual boost::asio::awaitable<void> sleep_for(Duration duration) = 0;
};

}  // namespace gpuwarden::ports
