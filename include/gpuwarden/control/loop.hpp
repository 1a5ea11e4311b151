#pragma once

#include <deque>
#include <functional>
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

/// How far draining the fleet before the end has come.
enum class Drain {
  not_asked,
  under_way,
  done,         ///< no worker is left
  not_leading,  ///< another daemon leads: the fleet is not ours to drain
  out_of_time,
  called_off  ///< stop() came first
};

/// Observe, decide, act, every poll interval. One per process, on one thread.
class ControlLoop {
 public:
  ControlLoop(Environment environment, LoopSettings settings);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  /// Ticks until `stop()`. Then gives the tick under way up, calls bring-ups off (the scripts on the pods run
  /// on), waits for the actions in flight and gives the leadership up: within 8 s where the ports honour
  /// cancellation. What is still in flight then is abandoned, which the next daemon's ticks sort out; the
  /// event loop must not run on without this object.
  boost::asio::awaitable<void> run();
  /// One tick and its actions, to the end. `dry`: takes no leadership and performs nothing.
  boost::asio::awaitable<CycleSummary> once(bool dry);

  void stop();
  /// Drain the fleet first, then stop by itself: when no worker is left, when another daemon leads, or after
  /// `limit`.
  void drain_and_stop(Duration limit);
  Drain drain() const;
  void apply(LoopSettings settings);
  View view() const;
  /// Called after each tick; for tests and for what follows the ticks.
  std::function<void(const TickReport&)> on_tick;
  /// Called at every stall probe while the loop turns and the newest tick is not overdue: what a watchdog
  /// wants to know. An outage of a service is no reason to fall silent, a tick that hangs is.
  std::function<void()> on_alive;
  /// Called once, when the end begins; `run()` should be over 10 s later.
  std::function<void()> on_stopping;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::control
