#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/environment.hpp"
#include "gpuwarden/control/report.hpp"

namespace gpuwarden::control {

/// What operators may look at; see ops.
struct View {
  const TickReport* last{nullptr};     ///< newest tick; null before the first
  std::vector<std::string> in_flight;  ///< "bring_up gpu-…"
  const std::deque<ActionResult>* recent{nullptr};
  std::string holder;
  Duration longest_stall{0};  ///< of the event loop, since the start
};

/// Observe, decide, act, every poll interval. One per process, on one thread.
class ControlLoop {
 public:
  ControlLoop(Environment environment, LoopSettings settings);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  /// Ticks until `stop()`. Then waits up to 10 s for what is in flight, abandons bring-ups (the scripts on
  /// the pods run on) and gives the leadership up.
  boost::asio::awaitable<void> run();
  /// One tick and its actions, to the end. `dry`: takes no leadership and performs nothing.
  boost::asio::awaitable<CycleSummary> once(bool dry);

  void stop();
  /// Drain the fleet first, then stop by itself when no worker is left.
  void drain_and_stop();
  void apply(LoopSettings settings);
  View view() const;
  /// Called after each tick, for the watchdog and tests.
  std::function<void(const TickReport&)> on_tick;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::control
