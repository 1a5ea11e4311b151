#pragma once

#include "gpuwarden/ports/clock.hpp"

#include "simulation/process.hpp"

namespace gpuwarden::simulation {

/// Time as one daemon process sees it.
class SimClock final : public ports::Clock {
 public:
  explicit SimClock(Process& process) : process_(process) {}
  MonoTime now() const override { return process_.now(); }
  WallTime wall() const override { return process_.scheduler().wall() + process_.wall_skew; }
  boost::asio::awaitable<void> sleep_for(Duration duration) override {
    co_await process_.wait(process_.ticket(), duration);
  }

 private:
  Process& process_;
};

}  // namespace gpuwarden::simulation
