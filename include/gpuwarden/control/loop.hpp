#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/environment.hpp"
#include "gpuwarden/control/gate_history.hpp"
#include "gpuwarden/control/report.hpp"
#include "gpuwarden/policy/explain.hpp"
#include "gpuwarden/policy/note.hpp"

namespace gpuwarden::control {

/// What operators may look at; see ops.
struct View {
  const TickReport* last{nullptr};     ///< newest tick; null before the first
  std::vector<std::string> in_flight;  ///< "bring_up gpu-…"
  const std::deque<ActionResult>* recent{nullptr};
  std::string holder;
  Duration longest_stall{0};  ///< of the event loop, since the start
  const GateHistory* gates{nullptr};
  std::optional<Duration> next_tick_in{};  ///< none: no further one is planned
};

/// Everything that one decision was made from, and what it was. Valid during the call that hands it out.
struct DecisionRecord {
  std::uint64_t number{0};
  WallTime at{};
  MonoTime now{};
  std::uint64_t random{0};
  const policy::Observation& seen;
  const policy::Settings& settings;
  const std::vector<policy::Note>& notes;  ///< what the memory was told since the decision before
  const Plan& plan;
  const policy::Memory& after;  ///< the memory that the decision left behind
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
  /// One tick and its actions, to the end. `dry`: takes no leadership and performs nothing. The delays of
  /// scale-ups and scale-downs are zero here.
  boost::asio::awaitable<CycleSummary> once(bool dry);

  void stop();
  /// Drain the fleet first, then stop by itself: when no worker is left, when another daemon leads, or after
  /// `limit`.
  void drain_and_stop(Duration limit);
  Drain drain() const;
  void apply(LoopSettings settings);
  View view() const;
  /// What the next tick would decide if the newest one's actions succeed and nothing else changes; nothing of
  /// it is performed or remembered. Empty before the first tick.
  Plan rehearse() const;
  /// Of a worker of the newest snapshot; none when there is none of that name.
  std::optional<policy::WorkerStory> explain(const WorkerId& worker) const;
  /// Called with each decision before it is performed; for those who record.
  std::function<void(const DecisionRecord&)> on_decision;
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
