#pragma once

#include "gpuwarden/ports/clock.hpp"

namespace gpuwarden::app {

/// The machine's clocks; the one place where they are read.
class SystemClock : public ports::Clock {
 public:
  MonoTime now() const override;
  WallTime wall() const override;
  boost::asio::awaitable<void> sleep_for(Duration duration) override;
};

}  // namespace gpuwarden::app
