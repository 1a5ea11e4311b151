#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// Virtual time of a simulated world: what happens, in the order of its time, then of its making. Nothing
/// else in a simulation reads a clock, so the same seed gives the same run to the last event.
class Scheduler {
 public:
  using Event = std::function<void()>;

  MonoTime now() const { return now_; }
  /// True time of the world, and the database's clock.
  WallTime wall() const { return kStart + (now_ - MonoTime{}); }

  void at(MonoTime when, Event event) {
    events_.push({when < now_ ? now_ : when, ++made_, std::move(event)});
  }
  void after(Duration delay, Event event) { at(now_ + delay, std::move(event)); }

  /// Moves time to the next event and runs it; false when there is none until `limit`, where time stops then.
  bool run_next(MonoTime limit) {
    if (events_.empty() || events_.top().when > limit) {
      if (now_ < limit) now_ = limit;
      return false;
    }
    Event event = std::move(const_cast<Planned&>(events_.top()).event);  // the queue offers no other way out
    now_ = events_.top().when;
    events_.pop();
    ++ran_;
    event();
    return true;
  }
  std::uint64_t events_run() const { return ran_; }

  /// 2026-11-24T00:00:00Z
  static constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};

 private:
  struct Planned {
    MonoTime when;
    std::uint64_t number;
    Event event;
    bool operator<(const Planned& other) const {
      return when == other.when ? number > other.number : when > other.when;
    }
  };
  std::priority_queue<Planned> events_;
  MonoTime now_{};
  std::uint64_t made_{0}, ran_{0};
};

}  // namespace gpuwarden::simulation
