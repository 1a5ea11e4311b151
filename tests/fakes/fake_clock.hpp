#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gpuwarden/ports/clock.hpp"

namespace gpuwarden::fakes {

/// Time that moves only when a test moves it. Both clocks start at fixed instants and run in step, unless the
/// test changes `wall_skew`.
class FakeClock final : public ports::Clock {
 public:
  MonoTime now() const override { return now_; }
  WallTime wall() const override { return kWallStart + now_.time_since_epoch() + wall_skew; }

  boost::asio::awaitable<void> sleep_for(Duration duration) override {
    ++sleeps;
    if (duration <= Duration{0}) co_return;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto waiter = waiters_->emplace(waiters_->end(), executor, now_ + duration);
    // The list entry lives as long as this frame, so that an abandoned coroutine leaves nothing behind.
    const Leave leave{waiters_, waiter};
    co_await waiter->woken.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

  /// Moves time to the next sleeper at most and wakes it; false when nobody sleeps until `limit`.
  bool step(MonoTime limit) {
    const auto due = next_due();
    if (!due || *due > limit) {
      now_ = std::max(now_, limit);
      return false;
    }
    now_ = std::max(now_, *due);
    for (Waiter& waiter : *waiters_) {
      if (waiter.due <= now_ && !waiter.fired) {
        waiter.fired = true;
        waiter.woken.cancel();
      }
    }
    return true;
  }

  /// Runs everything that is ready, then moves time by `duration`, waking each sleeper at its own instant.
  void advance(boost::asio::io_context& io, Duration duration) {
    const MonoTime limit = now_ + duration;
    settle(io);
    while (step(limit)) settle(io);
    settle(io);
  }

  /// Runs what is ready without moving time.
  static void settle(boost::asio::io_context& io) {
    io.restart();
    while (io.poll() != 0) {
    }
  }

  /// Moves time without waking anybody: for code that only reads the clock.
  void jump(Duration duration) { now_ += duration; }

  std::size_t sleepers() const {
    return static_cast<std::size_t>(
        std::count_if(waiters_->begin(), waiters_->end(), [](const Waiter& w) { return !w.fired; }));
  }

  Duration wall_skew{0};
  int sleeps{0};  ///< calls of sleep_for so far

  /// 2026-11-24T00:00:00Z
  static constexpr WallTime kWallStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};

 private:
  struct Waiter {
    Waiter(const boost::asio::any_io_executor& executor, MonoTime when)
        : woken(executor, boost::asio::steady_timer::time_point::max()), due(when) {}
    boost::asio::steady_timer woken;  ///< never expires; cancelled = woken
    MonoTime due;
    bool fired{false};
  };
  struct Leave {
    std::shared_ptr<std::list<Waiter>> list;
    std::list<Waiter>::iterator at;
    Leave(std::shared_ptr<std::list<Waiter>> l, std::list<Waiter>::iterator i) : list(std::move(l)), at(i) {}
    Leave(const Leave&) = delete;
    Leave& operator=(const Leave&) = delete;
    ~Leave() { list->erase(at); }
  };

  std::optional<MonoTime> next_due() const {
    std::optional<MonoTime> due;
    for (const Waiter& waiter : *waiters_) {
      if (!waiter.fired && (!due || waiter.due < *due)) due = waiter.due;
    }
    return due;
  }

  MonoTime now_{std::chrono::hours(1)};
  std::shared_ptr<std::list<Waiter>> waiters_ = std::make_shared<std::list<Waiter>>();  // frames outlive us
};

}  // namespace gpuwarden::fakes
